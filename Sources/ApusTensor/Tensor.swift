public import ApusBase
internal import CApusTorch

/// An n-dimensional array of libtorch: on the host or a GPU, of a run-time dtype, part of autograd.
///
/// A value of eight bytes that refers to a shared array: copies of a `Tensor` see each other's in-place
/// writes. `a += b` makes a new array; in-place operations say so (`a.addInPlace(b)`).
///
/// Operations do not throw, so that models stay readable. Misuse (shapes that do not fit, unsupported
/// dtypes) stops the program with the operation and the shapes; inside ``catchingTensorErrors(_:)`` it,
/// and running out of memory, becomes an error to catch.
///
/// Not `Sendable`: two threads may read a tensor, but writes and autograd's bookkeeping would race.
public struct Tensor {
    let handle: TensorHandle

    init(handle: TensorHandle) { self.handle = handle }

    /// Takes over an owned handle of the C layer.
    package init(owning pointer: OpaquePointer) { handle = TensorHandle(pointer) }

    /// The C layer's handle, borrowed: valid while this tensor lives.
    package var pointer: OpaquePointer { handle.pointer }
}

/// Owns one handle of the C layer.
final class TensorHandle {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { apus_tensor_release(pointer) }
}

// MARK: - What a tensor is

extension Tensor {
    /// False only for the result of an operation that failed inside ``catchingTensorErrors(_:)``.
    public var isDefined: Bool { apus_tensor_is_defined(pointer) }

    /// Number of dimensions; 0 for a scalar.
    public var rank: Int { Int(apus_tensor_rank(pointer)) }

    public var shape: [Int] { (0..<Int32(rank)).map { Int(apus_tensor_size(pointer, $0)) } }

    /// Elements between neighbours of each dimension.
    public var strides: [Int] { (0..<Int32(rank)).map { Int(apus_tensor_stride(pointer, $0)) } }

    /// The size of one dimension; negative dimensions count from the end.
    public func size(_ dim: Int) -> Int {
        let rank = rank
        let index = dim < 0 ? dim + rank : dim
        precondition(index >= 0 && index < rank, "size: dimension \(dim) of a tensor of shape \(shape)")
        return Int(apus_tensor_size(pointer, Int32(index)))
    }

    public var elementCount: Int { Int(apus_tensor_element_count(pointer)) }
    public var byteCount: Int { elementCount * dtype.byteCount }
    public var dtype: DType { DType(code: apus_tensor_dtype(pointer)) }
    public var device: Device { Device(code: apus_tensor_device(pointer)) }
    public var isContiguous: Bool { apus_tensor_is_contiguous(pointer) }

    public func sharesStorage(with other: Tensor) -> Bool {
        apus_tensor_shares_storage(pointer, other.pointer)
    }

    /// The elements' memory, for contiguous tensors on the host; nil for others.
    ///
    /// Valid while the tensor's storage lives and is not resized: keep the tensor alive meanwhile.
    public var hostMemory: UnsafeMutableRawBufferPointer? {
        guard let start = apus_tensor_data(pointer) else { return nil }
        return UnsafeMutableRawBufferPointer(start: start, count: byteCount)
    }
}

extension Tensor: CustomStringConvertible {
    /// `float32[2, 3]`, with the elements when there are few.
    public var description: String {
        guard isDefined else { return "undefined tensor" }
        let head = "\(dtype)\(shape)" + (device == .cpu ? "" : " on \(device)")
        guard elementCount <= 16, dtype != .bool else { return head }
        return head + " \(doubles())"
    }
}

// MARK: - Codes of the C layer

extension DType {
    /// The C layer numbers element types in the order of this enumeration.
    package var code: Int32 { Self.codes[self]! }

    package init(code: Int32) {
        precondition(code >= 0, "libtorch returned an element type that Apus does not know")
        self = Self.allCases[Int(code)]
    }

    private static let codes: [DType: Int32] = Dictionary(
        uniqueKeysWithValues: DType.allCases.enumerated().map { ($1, Int32($0)) })
}
