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
    public private(set) var notes: [String]
    let state: PickledState
    /// Weights in files of another kind.
    let weights: (any TensorSource)?
    private let weightTensors: [StateTensor]
    /// Names of tied weights that are there under another one too.
    private var secondNames: Set<StateKey> = []

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
            // PyTorch files have tied weights under all their names, the model's first one first.
            var places: Set<Range<Int>> = []
            return source.names.compactMap { name in
                guard let entry = source.entry(name), let dtype = entry.dtype,
                    dtype.isFloatingPoint,
                    !(source is PickledTensors) || places.insert(entry.byteRange).inserted
                else { return nil }
                return StateTensor(StateKey(name), shape: entry.shape, dtype: dtype)
            }
        } ?? []
    }

    public var stateTensors: [StateTensor] {
        (weightTensors + state.tensors.map(\.tensor)).filter { !secondNames.contains($0.key) }
    }

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

    /// Hides a weight, and says why.
    mutating func leaveOut(_ key: StateKey, because note: String) {
        secondNames.insert(key)
        notes.append(note)
    }

    /// Opens a checkpoint folder of DeepSpeed, of Accelerate's `save_state`, of the HuggingFace
    /// trainer or of `torch.distributed.checkpoint`, or plain weights.
    public static func open(_ path: String) throws(FileError) -> ForeignState {
        if let folder = try UniversalState.folder(path) { return try UniversalState.open(folder) }
        if let folder = try DeepSpeedState.folder(path) { return try DeepSpeedState.open(folder) }
        if AccelerateState.isOne(path) {
            return try AccelerateState.open(path).withoutSecondNames()
        }
        if DistributedState.isOne(path) { return try openDistributed(path).withoutSecondNames() }
        if FilePaths.isFolder(path) {
            let names = try FilePaths.names(in: path)
            let isLocal = { (name: String) in
                name.hasPrefix("pytorch_model_fsdp_") && name.contains("rank")
            }
            if let part = names.first(where: isLocal) {
                throw FileError(
                    FilePaths.join(path, part), "is what one rank of FSDP held for itself",
                    remedy: "save with SHARDED_STATE_DICT or FULL_STATE_DICT")
            }
            guard names.contains(where: { $0.hasSuffix(".safetensors") || $0.hasSuffix(".bin") })
            else {
                throw FileError(
                    path, "holds no checkpoint and no weights of a kind known here",
                    likelyCause: "the path is not quite right, or a copy is incomplete",
                    remedy: "give the folder of a checkpoint of DeepSpeed, Accelerate or PyTorch, "
                        + "or one with safetensors or .bin files")
            }
        }
        let weights = try openTensors(at: path)
        return ForeignState(
            path: path, origin: "weights", step: 0, updates: nil,
            notes: ["there is no optimizer state beside the weights"], state: PickledState(),
            weights: weights)
    }

    /// The program that wrote a checkpoint; nil for Apus's own, plain weights and anything else.
    public static func writer(of path: String) throws(FileError) -> String? {
        if Checkpoint.isCheckpoint(path) { return nil }
        if try UniversalState.folder(path) != nil { return "DeepSpeed" }
        if try DeepSpeedState.folder(path) != nil { return "DeepSpeed" }
        if AccelerateState.isOne(path) { return "Accelerate" }
        return DistributedState.isOne(path) ? "torch.distributed.checkpoint" : nil
    }

    private static func openDistributed(_ path: String) throws(FileError) -> ForeignState {
        var distributed = try DistributedState(path)
        var state = PickledState()
        let updates = try distributed.add(to: &state)
        let ranks = try distributed.rankCount()
        let notes = updates == nil ? ["there are no Adam moments beside the weights"] : []
        return ForeignState(
            path: path,
            origin: "torch.distributed.checkpoint, \(ranks) rank" + (ranks == 1 ? "" : "s"),
            step: updates ?? 0, updates: updates, notes: notes, state: state)
    }
}
