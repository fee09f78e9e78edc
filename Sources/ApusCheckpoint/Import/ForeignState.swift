public import ApusBase
internal import ApusFormats

/// A training state that another program saved.
public struct ForeignState: StateSource {
    public let path: String
    /// What wrote it, for people: `DeepSpeed 0.19.8, stage 3, 2 ranks`.
    public let origin: String
    public let step: Int
    /// Updates that the optimizer's moments have behind them; nil where there are none.
    public let updates: Int?
    /// What the checkpoint holds that is not taken over, and why.
    public let notes: [String]
    let state: PickledState
    /// Weights in files of another kind.
    let weights: (any TensorSource)?
    private let weightTensors: [StateTensor]

    init(
        path: String, origin: String, step: Int, updates: Int?, notes: [String],
        state: PickledState, weights: (any TensorSource)? = nil
    ) {
        self.path = path
        self.origin = origin
        self.step = step
        self.updates = updates
        self.notes = notes
        self.state = state
        self.weights = weights
        weightTensors = weights.map { source in
            source.names.compactMap { name in
                guard let entry = source.entry(name), let dtype = entry.dtype,
                    dtype.isFloatingPoint
                else { return nil }
                return StateTensor(StateKey(name), shape: entry.shape, dtype: dtype)
            }
        } ?? []
    }

    public var stateTensors: [StateTensor] { weightTensors + state.tensors.map(\.tensor) }

    public func read(
        _ tensor: StateTensor, _ elements: Range<Int>,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        if let weights, tensor.key.kind == StateKey.weight {
            return try weights.read(
                tensor.key.parameter, elements: elements, as: tensor.dtype, into: destination)
        }
        try state.read(tensor, elements, into: destination)
    }

    /// Opens a checkpoint folder of DeepSpeed, a folder of Accelerate's `save_state` or of the
    /// HuggingFace trainer, or plain weights.
    public static func open(_ path: String) throws(FileError) -> ForeignState {
        if let folder = try DeepSpeedState.folder(path) { return try DeepSpeedState.open(folder) }
        if AccelerateState.isOne(path) { return try AccelerateState.open(path) }
        let weights = try openTensors(at: path)
        return ForeignState(
            path: path, origin: "weights", step: 0, updates: nil,
            notes: ["there is no optimizer state beside the weights"], state: PickledState(),
            weights: weights)
    }
}
