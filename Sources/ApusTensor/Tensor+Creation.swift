public import ApusBase
internal import CApusTorch

extension Tensor {
    /// Elements of unspecified value.
    public static func empty(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        made("empty", []) { out in
            shape.withSizes { apus_empty($0, $1, dtype.code, device.code, out) }
        }
    }

    public static func full(
        _ shape: [Int], _ value: Double, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        made("full", []) { out in
            shape.withSizes { apus_full($0, $1, value, dtype.code, device.code, out) }
        }
    }

    public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        full(shape, 0, dtype: dtype, device: device)
    }

    public static func ones(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        full(shape, 1, dtype: dtype, device: device)
    }

    /// A scalar (rank 0).
    public static func scalar(_ value: Double, dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        full([], value, dtype: dtype, device: device)
    }

    /// The same shape, dtype and device, another value everywhere.
    public func filledLike(_ value: Double) -> Tensor {
        made("full_like", [self]) { apus_full_like(pointer, value, $0) }
    }

    public func zerosLike() -> Tensor { filledLike(0) }
    public func onesLike() -> Tensor { filledLike(1) }

    public func emptyLike() -> Tensor {
        made("empty_like", [self]) { apus_empty_like(pointer, $0) }
    }

    /// `start, start + step, ...` below `end`.
    public static func arange(
        _ start: Double = 0, _ end: Double, step: Double = 1, dtype: DType = .float32,
        device: Device = .cpu
    ) -> Tensor {
        made("arange", []) { apus_arange(start, end, step, dtype.code, device.code, $0) }
    }

    /// `count` numbers from `start` to `end`, both included.
    public static func linspace(
        _ start: Double, _ end: Double, count: Int, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        made("linspace", []) {
            apus_linspace(start, end, Int64(count), dtype.code, device.code, $0)
        }
    }

    /// Ones on the diagonal of a matrix of zeros.
    public static func eye(
        _ rows: Int, _ columns: Int? = nil, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        made("eye", []) {
            apus_eye(Int64(rows), Int64(columns ?? rows), dtype.code, device.code, $0)
        }
    }

    // MARK: From memory

    /// A copy of row-major elements; as many bytes as the shape needs.
    public init(copying bytes: UnsafeRawBufferPointer, shape: [Int], dtype: DType) {
        var nothing: UInt8 = 0
        self = withUnsafePointer(to: &nothing) { placeholder in
            made("from bytes", []) { out in
                shape.withSizes {
                    let start = bytes.baseAddress ?? UnsafeRawPointer(placeholder)
                    return apus_from_bytes(start, bytes.count, $0, $1, dtype.code, out)
                }
            }
        }
    }

    /// float32 from row-major elements; a vector when no shape is given.
    public init(_ elements: [Float], shape: [Int]? = nil) {
        self = elements.withUnsafeBytes {
            Tensor(copying: $0, shape: shape ?? [elements.count], dtype: .float32)
        }
    }

    /// int64 from row-major elements; a vector when no shape is given.
    public init(_ elements: [Int], shape: [Int]? = nil) {
        self = elements.withUnsafeBytes {
            Tensor(copying: $0, shape: shape ?? [elements.count], dtype: .int64)
        }
    }

    /// int32 from row-major elements; a vector when no shape is given.
    public init(_ elements: [Int32], shape: [Int]? = nil) {
        self = elements.withUnsafeBytes {
            Tensor(copying: $0, shape: shape ?? [elements.count], dtype: .int32)
        }
    }

    /// Uses memory in place. `owner` is kept alive until the last tensor that shares it is gone.
    public init(memory: UnsafeMutableRawPointer, shape: [Int], dtype: DType, owner: AnyObject?) {
        let context = owner.map { Unmanaged.passRetained($0).toOpaque() }
        self = made("from memory", []) { out in
            shape.withSizes {
                apus_from_memory(
                    memory, $0, $1, dtype.code,
                    { $0.map { Unmanaged<AnyObject>.fromOpaque($0).release() } }, context, out)
            }
        }
    }
}

// MARK: - Out of tensors

extension Tensor {
    /// The one element of a tensor; waits for a GPU.
    public func item() -> Double {
        var value = 0.0
        done("item", [self], apus_item(pointer, &value))
        return value
    }

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
    public func to(_ dtype: DType? = nil, device: Device? = nil, copy: Bool = false) -> Tensor {
        let dtype = (dtype ?? self.dtype).code
        let device = (device ?? self.device).code
        return made("to", [self]) { apus_to(pointer, dtype, device, copy, $0) }
    }

    /// A copy with memory of its own.
    public func clone() -> Tensor { made("clone", [self]) { apus_clone(pointer, $0) } }

    /// Row-major in memory; the tensor itself when it already is.
    public func contiguous() -> Tensor { made("contiguous", [self]) { apus_contiguous(pointer, $0) } }

    /// Overwrites the elements with those of `source` (broadcast, converted).
    public func copyInPlace(from source: Tensor) {
        done("copy", [self, source], apus_copy(pointer, source.pointer))
    }

    public func fillInPlace(_ value: Double) {
        done("fill", [self], apus_fill(pointer, value))
    }

    public func zeroInPlace() { fillInPlace(0) }
}
