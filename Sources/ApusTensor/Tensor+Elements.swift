public import ApusBase
internal import CApusTorch

/// Elements out of tensors, into tensors, and from one dtype or device to another.
extension Tensor {
    /// The one element of a tensor; waits for a GPU. NaN when undefined.
    public func item() -> Double {
        var value = Double.nan
        done("item", [self], apus_item(pointer, &value))
        return value
    }

    /// The one element of a tensor of integers; waits for a GPU. 0 when undefined.
    public func intItem() -> Int {
        var value: Int64 = 0
        done("item", [self], apus_item_int(pointer, &value))
        return Int(value)
    }

    /// All elements, row-major, as float32.
    public func floats() -> [Float] { elements(as: .float32, 0) }

    /// All elements, row-major, as float64.
    public func doubles() -> [Double] { elements(as: .float64, 0) }

    /// All elements, row-major, as int64.
    public func ints() -> [Int] { elements(as: .int64, 0) }

    private func elements<Element>(as dtype: DType, _ zero: Element) -> [Element] {
        let converted = to(dtype)
        var result = [Element](repeating: zero, count: elementCount)
        result.withUnsafeMutableBytes { converted.copyBytes(to: $0) }
        return result
    }

    /// Row-major elements of this dtype into memory of exactly ``byteCount`` bytes.
    public func copyBytes(to memory: UnsafeMutableRawBufferPointer) {
        guard let start = memory.baseAddress else { return }
        done("to bytes", [self], apus_to_bytes(pointer, start, memory.count))
    }

    /// Another dtype and device; the tensor itself when nothing changes and no copy is asked for.
    ///
    /// - asynchronously: between pinned host memory and a GPU, returns before the copy is done; the
    ///   host must not read or overwrite the memory before it waited for the stream.
    public func to(
        _ dtype: DType? = nil, device: Device? = nil, copy: Bool = false,
        asynchronously: Bool = false
    ) -> Tensor {
        let dtype = (dtype ?? self.dtype).code
        let device = (device ?? self.device).code
        return made("to", [self]) { apus_to(pointer, dtype, device, copy, asynchronously, $0) }
    }

    /// A copy with memory of its own.
    public func clone() -> Tensor { made("clone", [self]) { apus_clone(pointer, $0) } }

    /// Row-major in memory; the tensor itself when it already is.
    public func contiguous() -> Tensor {
        made("contiguous", [self]) { apus_contiguous(pointer, $0) }
    }

    /// Overwrites the elements with those of `source` (broadcast, converted, from any device).
    public func copyInPlace(from source: Tensor, asynchronously: Bool = false) {
        done("copy", [self, source], apus_copy(pointer, source.pointer, asynchronously))
    }

    /// Overwrites every element.
    public func fillInPlace(_ value: Double) {
        done("fill", [self], apus_fill(pointer, value))
    }

    /// Overwrites every element with zero.
    public func zeroInPlace() { fillInPlace(0) }
}
