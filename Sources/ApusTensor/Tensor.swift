public import ApusBase
internal import CApusTorch

/// An n-dimensional array of libtorch: on the host or a GPU, of a run-time dtype, part of autograd.
///
/// A value of eight bytes that refers to a shared array: copies of a `Tensor` see each other's
/// in-place writes. `a += b` makes a new array; in-place operations say so (`a.addInPlace(b)`).
///
/// Operations do not throw, so that models stay readable. Misuse (shapes that do not fit,
/// unsupported dtypes) stops the program with the operation and the shapes; inside
/// ``catchingTensorErrors(_:)`` it, and running out of memory, becomes an error to catch.
///
/// Not `Sendable`: two threads may read a tensor, but writes and autograd's bookkeeping would race.
public struct Tensor {
    let handle: TensorHandle

    init(handle: TensorHandle) { self.handle = handle }

    /// Takes over an owned handle of the C layer.
    package init(owning pointer: OpaquePointer) { handle = TensorHandle(pointer) }

    /// The C layer's handle, borrowed: valid while this tensor lives.
    package var pointer: OpaquePointer { handle.pointer }

    /// What operations return after a failure inside ``catchingTensorErrors(_:)``.
    static var undefined: Tensor { Tensor(owning: apus_tensor_undefined()) }
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

    /// Whether both are one: not equal, but the same array.
    public func isIdentical(to other: Tensor) -> Bool { handle === other.handle }

    /// Number of dimensions; 0 for a scalar.
    public var rank: Int { Int(apus_tensor_rank(pointer)) }

    /// The size of each dimension; empty for a scalar.
    public var shape: [Int] { (0..<Int32(rank)).map { Int(apus_tensor_size(pointer, $0)) } }

    /// Elements between neighbours of each dimension.
    public var strides: [Int] { (0..<Int32(rank)).map { Int(apus_tensor_stride(pointer, $0)) } }

    /// The size of one dimension; negative dimensions count from the end.
    public func size(_ dim: Int) -> Int {
        let rank = rank
        let index = dim < 0 ? dim + rank : dim
        guard isDefined else { return 0 }
        precondition(
            index >= 0 && index < rank, "size: dimension \(dim) of a tensor of shape \(shape)")
        return Int(apus_tensor_size(pointer, Int32(index)))
    }

    /// The product of the shape; 1 for a scalar, 0 when undefined.
    public var elementCount: Int { Int(apus_tensor_element_count(pointer)) }

    /// Bytes of all elements: of the tensor, not of the storage that it may share.
    public var byteCount: Int { elementCount * dtype.byteCount }

    /// The type of the elements; float32 when undefined.
    public var dtype: DType { DType(code: apus_tensor_dtype(pointer)) }

    /// Where the elements are.
    public var device: Device { Device(code: apus_tensor_device(pointer)) }

    /// Whether the elements lie row by row without gaps.
    public var isContiguous: Bool { apus_tensor_is_contiguous(pointer) }

    /// Whether the memory is locked host memory that a GPU copies from by itself.
    public var isPinned: Bool { apus_tensor_is_pinned(pointer) }

    /// Whether both refer to the same memory, wholly or partly.
    public func sharesStorage(with other: Tensor) -> Bool {
        apus_tensor_shares_storage(pointer, other.pointer)
    }

    /// The elements' memory, for contiguous tensors on the host; nil for others and for freed ones.
    ///
    /// Valid while the tensor's storage lives and is not resized: keep the tensor alive meanwhile.
    public var hostMemory: UnsafeMutableRawBufferPointer? {
        guard let start = apus_tensor_data(pointer) else { return nil }
        return UnsafeMutableRawBufferPointer(start: start, count: byteCount)
    }

    /// Where the elements of a contiguous tensor begin on its device; nil for others and for freed
    /// ones.
    package var address: UnsafeMutableRawPointer? { apus_tensor_address(pointer) }
}

// MARK: - Codes of the C layer

extension DType {
    /// The C layer numbers element types in the order of this enumeration.
    package var code: Int32 {
        switch self {
        case .float32: 0
        case .float64: 1
        case .float16: 2
        case .bfloat16: 3
        case .int8: 4
        case .int16: 5
        case .int32: 6
        case .int64: 7
        case .uint8: 8
        case .bool: 9
        }
    }

    package init(code: Int32) {
        precondition(code >= 0, "libtorch returned an element type that Apus does not know")
        self = Self.allCases[Int(code)]
    }
}
