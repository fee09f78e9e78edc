public import ApusBase

/// A tensor of a training state that can be read.
public struct StateTensor: Sendable, Hashable {
    public let key: StateKey
    public let shape: [Int]
    public let dtype: DType

    public init(_ key: StateKey, shape: [Int], dtype: DType) {
        self.key = key
        self.shape = shape
        self.dtype = dtype
    }

    public var elementCount: Int { shape.reduce(1, *) }
    public var byteCount: Int { elementCount * dtype.byteCount }
}

/// A training state on the disk, whoever wrote it.
public protocol StateSource {
    var path: String { get }
    /// Optimizer steps that it has behind it.
    var step: Int { get }
    var stateTensors: [StateTensor] { get }

    /// Reads elements (row-major) as `tensor.dtype`; the destination is exactly their size.
    func read(
        _ tensor: StateTensor, _ elements: Range<Int>,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError)
}

extension Checkpoint: StateSource {
    public var step: Int { manifest.step }

    public var stateTensors: [StateTensor] {
        manifest.tensors.map { StateTensor($0.key, shape: $0.shape, dtype: $0.dtype) }
    }

    public func read(
        _ tensor: StateTensor, _ elements: Range<Int>,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        guard let record = self.tensor(tensor.key) else {
            preconditionFailure("read: \(tensor.key) is not in the checkpoint")
        }
        try read(record, elements, into: destination)
    }
}
