public import ApusBase
public import ApusFormats
internal import Synchronization

/// The weights of a training state, without what belongs to the optimizer, as those of a model are
/// read.
///
/// `@unchecked Sendable`: the state is read under the lock.
public final class StateWeights: TensorSource, @unchecked Sendable {
    private let state: any StateSource
    private let tensors: [String: StateTensor]
    private let lock = Mutex(())
    public let names: [String]

    /// - Throws: when the weights are adapters, which are no model's by themselves
    public init(_ state: any StateSource) throws(CheckpointError) {
        let weights = try state.modelWeights()
        self.state = state
        names = weights.map(\.key.parameter)
        tensors = Dictionary(uniqueKeysWithValues: weights.map { ($0.key.parameter, $0) })
    }

    /// A tensor may lie in several files: its bytes count from its own beginning.
    public func entry(_ name: String) -> TensorEntry? {
        tensors[name].map { tensor in
            TensorEntry(
                name: name, shape: tensor.shape, format: SafetensorsDType(tensor.dtype).rawValue,
                dtype: tensor.dtype, byteRange: 0..<tensor.byteCount, path: state.path)
        }
    }

    public func read(
        _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        guard let tensor = tensors[name] else {
            throw FileError(state.path, "holds no weight '\(name)'")
        }
        let stored = UnsafeMutableRawBufferPointer.allocate(
            byteCount: elements.count * tensor.dtype.byteCount, alignment: 64)
        defer { stored.deallocate() }
        try lock.withLock { _ throws(FileError) in try state.read(tensor, elements, into: stored) }
        NumberConversion.convert(
            UnsafeRawBufferPointer(stored), tensor.dtype, to: destination, dtype)
    }
}

extension StateSource {
    /// - Throws: when they are adapters
    func modelWeights() throws(CheckpointError) -> [StateTensor] {
        let weights = stateTensors.filter { $0.key.kind == StateKey.weight }
        guard let adapter = weights.first(where: { $0.key.parameter.contains("lora_") }) else {
            return weights
        }
        throw CheckpointError(
            "\(path) holds adapters (\(adapter.key)), which no model folder does",
            remedy: "let the run end: it writes the adapter's own folder")
    }
}
