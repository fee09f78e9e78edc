internal import ApusBase
internal import ApusFormats

/// Reads what Accelerate's `save_state` and the HuggingFace trainer write: weights in safetensors
/// or PyTorch files and the optimizer in `optimizer.bin` or `optimizer.pt`; with FSDP, folders of
/// distributed checkpoints instead.
enum AccelerateState {
    private static let optimizers = ["optimizer.bin", "optimizer.pt"]
    private static let wholeModel = "pytorch_model_fsdp.bin"
    private static let shardedModel = "pytorch_model_fsdp_0"
    private static let shardedOptimizer = "optimizer_0"
    /// What stands beside the first model where there are more.
    private static let secondModels = [
        "model_1.safetensors", "pytorch_model_1.bin", "pytorch_model_fsdp_1.bin",
        "pytorch_model_fsdp_1",
    ]

    static func isOne(_ path: String) -> Bool {
        optimizers.contains { FilePaths.isFile(FilePaths.join(path, $0)) }
            || FilePaths.isFile(FilePaths.join(path, wholeModel))
            || DistributedState.isOne(FilePaths.join(path, shardedModel))
    }

    static func open(_ path: String) throws(FileError) -> ForeignState {
        let names = try FilePaths.names(in: path)
        if let second = names.first(where: secondModels.contains) {
            throw FileError(
                FilePaths.join(path, second), "is a second model, and a checkpoint of Apus has one",
                remedy: "save each model alone, or import its file of weights")
        }
        let sharded = FilePaths.join(path, shardedModel)
        if DistributedState.isOne(sharded) { return try openSharded(path, sharded) }
        let whole = FilePaths.join(path, wholeModel)
        let weights = try openTensors(at: FilePaths.isFile(whole) ? whole : path)
        var state = PickledState()
        var notes: [String] = []
        var updates: Int?
        let name = optimizers.first { FilePaths.isFile(FilePaths.join(path, $0)) }
        if let name {
            let file = try PyTorchFile(path: FilePaths.join(path, name))
            let moments = TorchMoments(file, file.value, orders: orders(of: weights))
            try moments?.add(to: &state)
            updates = moments?.updates
            if moments == nil { notes.append(doubt(about: file, weights)) }
        } else {
            notes.append("there is no optimizer state beside the weights")
        }
        return ForeignState(
            path: path, origin: "Accelerate or the HuggingFace trainer",
            step: try trainerStep(path) ?? updates ?? 0, updates: updates, notes: notes,
            state: state, weights: weights)
    }

    /// Safetensors files are sorted by name; an optimizer counts in the model's order, which
    /// PyTorch files keep.
    private static func orders(of weights: any TensorSource) -> [[NumberedParameter]] {
        // Of tied weights, which have one place, the optimizer has the first.
        var places: Set<Range<Int>> = []
        let parameters: [NumberedParameter] = weights.names.compactMap { name in
            guard let entry = weights.entry(name), places.insert(entry.byteRange).inserted else {
                return nil
            }
            return (name, entry.shape)
        }
        return weights is PickledTensors ? [parameters] : ParameterOrder.candidates(parameters)
    }

    /// Why there are no moments.
    private static func doubt(about file: PyTorchFile, _ weights: any TensorSource) -> String {
        let states = file.value["state"]?.dictionary?.members ?? []
        if !states.contains(where: { $0.value["exp_avg_sq"]?.tensor != nil }) {
            return "the optimizer has no Adam moments: its state is left out"
        }
        return orders(of: weights).isEmpty
            ? "the optimizer numbers the parameters in an order that is not known for this kind of "
                + "model: its moments are left out"
            : "the optimizer's moments do not fit the weights and are left out"
    }

    /// FSDP with SHARDED_STATE_DICT.
    private static func openSharded(
        _ path: String, _ model: String
    ) throws(FileError) -> ForeignState {
        var weights = try DistributedState(model)
        var state = PickledState()
        _ = try weights.add(to: &state)
        var notes: [String] = []
        var updates: Int?
        let optimizer = FilePaths.join(path, shardedOptimizer)
        if DistributedState.isOne(optimizer) {
            var moments = try DistributedState(optimizer)
            updates = try moments.add(to: &state)
        }
        if updates == nil { notes.append("there are no Adam moments beside the weights") }
        let ranks = try weights.rankCount()
        return ForeignState(
            path: path, origin: "Accelerate with FSDP, \(ranks) rank" + (ranks == 1 ? "" : "s"),
            step: updates ?? 0, updates: updates, notes: notes, state: state)
    }

    private static func trainerStep(_ path: String) throws(FileError) -> Int? {
        let file = FilePaths.join(path, "trainer_state.json")
        guard FilePaths.isFile(file) else { return nil }
        do {
            return try MappedFile(path: file).withBytes { try JSON.parse($0) }["global_step"]?
                .intValue
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError(file, "is not valid JSON: \(error)")
        }
    }
}
