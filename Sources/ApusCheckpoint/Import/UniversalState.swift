internal import ApusBase
internal import ApusFormats

/// Reads what DeepSpeed's `ds_to_universal` makes: a folder `zero` with one for each parameter, in
/// it its fp32 weight, its Adam moments and their step, and beside `zero` the files of the model.
enum UniversalState {
    private static let parts = [
        ("fp32.pt", StateKey.weight), ("exp_avg.pt", "firstMoment"),
        ("exp_avg_sq.pt", "secondMoment"),
    ]

    /// The folder that holds `zero`: the path itself, or the one that its `latest_universal` names.
    static func folder(_ path: String) throws(FileError) -> String? {
        if isOne(path) { return path }
        guard let tagged = try DeepSpeedState.tagged(path, by: "latest_universal") else {
            return nil
        }
        return isOne(tagged) ? tagged : nil
    }

    private static func isOne(_ path: String) -> Bool {
        FilePaths.isFolder(FilePaths.join(path, "zero"))
    }

    static func open(_ folder: String) throws(FileError) -> ForeignState {
        let files = try DeepSpeedState.Files(folder)
        let model = files.models[0]
        let isSharded = FilePaths.name(of: model.path).hasPrefix("zero_pp_rank_")
        let shapes = (model.value["param_shapes"]?.elements ?? []).compactMap(\.dictionary)
        var state = PickledState()
        var updates: Int?
        let zero = FilePaths.join(folder, "zero")
        // Buffers and second names of tied weights are there too, if DeepSpeed was told so.
        let buffers = (model.value["buffer_names"]?.elements ?? []).compactMap(\.stringValue)
        let tied = model.value["shared_params"]?.dictionary
        for name in try FilePaths.names(in: zero) where !buffers.contains(name) {
            let parameter = FilePaths.join(zero, name)
            guard FilePaths.isFolder(parameter), tied?[name] == nil else { continue }
            let shape = shapes.lazy.compactMap { $0[name]?.shape }.first
            for (part, kind) in parts {
                let path = FilePaths.join(parameter, part)
                guard FilePaths.isFile(path) || kind == StateKey.weight else { continue }
                let file = try PyTorchFile(path: path)
                let tensor = try file.require(file.value["param"] ?? file.value, "\"param\"") {
                    $0.tensor
                }
                var flat = FlatTensors()
                flat.append(file, tensor)
                try state.add(
                    StateKey(name, kind), shape: shape ?? tensor.shape,
                    dtype: tensor.dtype.dtype ?? .float32, flat.pieces(0..<flat.count), path: path)
            }
            let step = FilePaths.join(parameter, "step.pt")
            if updates == nil, FilePaths.isFile(step) {
                let file = try PyTorchFile(path: step)
                updates = (file.value["param"] ?? file.value).count(in: file)
            }
        }
        if updates == nil { updates = try commonUpdates(zero) }
        try DeepSpeedState.addRest(files.models, isSharded ? 3 : 2, to: &state)
        let version = model.value["ds_version"]?.stringValue ?? "of unknown version"
        return ForeignState(
            path: folder, origin: "DeepSpeed \(version), universal",
            step: model.value["global_steps"]?.intValue ?? updates ?? 0, updates: updates,
            notes: updates == nil ? ["no Adam moments were found"] : [], state: state)
    }

    /// Of stage 3, which keeps the step with what all parameters share.
    private static func commonUpdates(_ zero: String) throws(FileError) -> Int? {
        let path = FilePaths.join(zero, "optimizer_state.pt")
        guard FilePaths.isFile(path) else { return nil }
        let file = try PyTorchFile(path: path)
        let base = file.value["optimizer_state_dict"]?["state"]?.dictionary
        return base?.members.first?.value["step"]?.count(in: file)
    }
}
