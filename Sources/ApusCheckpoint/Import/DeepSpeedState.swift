internal import ApusBase
internal import ApusFormats

/// Reads DeepSpeed's checkpoints of the stages 0 to 3 (as written by its versions up to 0.19):
/// fp32 weights and Adam moments by parameter, put together from the ranks' flat pieces.
enum DeepSpeedState {
    /// The folder with the files: the path itself, or the one that its `latest` names; nil where
    /// there is nothing of DeepSpeed.
    static func folder(_ path: String) throws(FileError) -> String? {
        guard FilePaths.isFolder(path) else { return nil }
        if try FilePaths.names(in: path).contains(where: { $0.hasSuffix("_model_states.pt") }) {
            return path
        }
        guard let tagged = try tagged(path, by: "latest") else { return nil }
        let names = try FilePaths.names(in: tagged)
        return names.contains { $0.hasSuffix("_model_states.pt") } ? tagged : nil
    }

    /// The folder that the file `latest` in a folder names, if both are there.
    static func tagged(_ path: String, by latest: String) throws(FileError) -> String? {
        let file = FilePaths.join(path, latest)
        guard FilePaths.isFile(file) else { return nil }
        let text = try MappedFile(path: file).withBytes { String(decoding: $0, as: UTF8.self) }
        let tagged = FilePaths.join(path, String(text.prefix { !$0.isWhitespace }))
        return FilePaths.isFolder(tagged) ? tagged : nil
    }

    static func open(_ folder: String) throws(FileError) -> ForeignState {
        let files = try Files(folder)
        let model = files.models[0]
        var state = PickledState()
        var notes: [String] = []
        var updates: Int?
        var stage = 0
        if files.optimizers.isEmpty {
            updates = try addUnsharded(model, to: &state, &notes)
        } else {
            stage = try files.stage()
            let flat = try FlatGroups(files, stage: stage)
            try flat.add(to: &state, files.models)
            updates = flat.updates
        }
        try addRest(files.models, stage, to: &state)
        if updates == nil { notes.append("no Adam moments were found") }
        let version = model.value["ds_version"]?.stringValue ?? "of unknown version"
        let ranks = max(files.optimizers.count, files.models.count, 1)
        let origin =
            "DeepSpeed \(version), stage \(stage), \(ranks) rank" + (ranks == 1 ? "" : "s")
        return ForeignState(
            path: folder, origin: origin, step: model.value["global_steps"]?.intValue ?? 0,
            updates: updates, notes: notes, state: state)
    }

    /// Stage 0: the whole model and optimizer in one file.
    private static func addUnsharded(
        _ model: PyTorchFile, to state: inout PickledState, _ notes: inout [String]
    ) throws(FileError) -> Int? {
        let module = try model.require(model.value["module"], "\"module\"") { $0.dictionary }
        let optimizer = model.value["optimizer"]
        let names = parameters(of: module, model)
        if optimizer?["fp32_groups_flat"] != nil || optimizer?["fp32_groups"] != nil {
            let parameters = names.compactMap { name, _ in
                module[name]?.tensor.map { (name: name, tensor: $0) }
            }
            let masters = try UnnamedMasters(model, optimizer, of: parameters)
            guard let doubt = masters.doubt else {
                try masters.add(to: &state)
                return masters.updates
            }
            notes.append(
                "the fp32 masters have no names, and \(doubt): the weights are the 16-bit ones, "
                    + "without moments")
            return nil
        }
        guard let moments = TorchMoments(model, optimizer, orders: [names]) else {
            if optimizer?["state"] != nil {
                notes.append("the optimizer's states have no names, and their order is not known")
            }
            return nil
        }
        try moments.add(to: &state)
        return moments.updates
    }

    /// Names and shapes of the trained parameters, in the model's order; of tied ones the first.
    private static func parameters(
        of module: PickledDictionary, _ model: PyTorchFile
    ) -> [NumberedParameter] {
        let buffers = Set((model.value["buffer_names"]?.elements ?? []).compactMap(\.stringValue))
        let frozen = model.value["frozen_param_shapes"]?.dictionary
        var places: Set<String> = []
        return module.members.compactMap { key, value in
            guard let name = key.stringValue, let tensor = value.tensor, !buffers.contains(name),
                frozen?[name] == nil,
                // DeepSpeed's parameters may be views of one storage.
                places.insert("\(tensor.storage.key)@\(tensor.offset)").inserted
            else { return nil }
            return (name, tensor.shape)
        }
    }

    /// What is not in the optimizer's groups: frozen weights, and at stage 0 all of them. Buffers
    /// and second names of tied weights are left out.
    static func addRest(
        _ models: [PyTorchFile], _ stage: Int, to state: inout PickledState
    ) throws(FileError) {
        let model = models[0]
        let shapes = model.value["frozen_param_shapes"]?.dictionary
        for (key, value) in shapes?.members ?? [] {
            guard let name = key.stringValue, let shape = value.shape else { continue }
            var flat = FlatTensors()
            for file in stage == 3 ? models : [model] {
                let fragments = file.value["frozen_param_fragments"]?.dictionary
                if let tensor = fragments?[name]?.tensor { flat.append(file, tensor) }
            }
            let dtype = flat.parts.first?.tensor.dtype.dtype ?? .float32
            try state.add(
                StateKey(name), shape: shape, dtype: dtype,
                flat.pieces(0..<shape.reduce(1, *)), path: model.path)
        }
        guard stage < 3, let module = model.value["module"]?.dictionary else { return }
        let tied = model.value["shared_params"]?.dictionary
        for (name, _) in parameters(of: module, model)
        where tied?[name] == nil && !state.contains(StateKey(name)) {
            if let tensor = module[name]?.tensor { try state.add(StateKey(name), model, tensor) }
        }
    }

    /// The checkpoint's files, by rank.
    struct Files {
        let folder: String
        private(set) var models: [PyTorchFile] = []
        private(set) var optimizers: [PyTorchFile] = []

        init(_ folder: String) throws(FileError) {
            self.folder = folder
            let names = try FilePaths.names(in: folder)
            if let other = names.first(where: { $0.contains("mp_rank_01") }) {
                throw FileError(
                    FilePaths.join(folder, other), "belongs to a model-parallel checkpoint",
                    remedy: "convert it with DeepSpeed's own ds_to_universal or zero_to_fp32 first")
            }
            let moe = names.first { $0.contains("expert_") || $0.hasPrefix("expp_rank_") }
            if let moe {
                throw FileError(
                    FilePaths.join(folder, moe), "belongs to a mixture of experts of DeepSpeed",
                    remedy: "save the weights as a HuggingFace folder first")
            }
            if let layer = names.first(where: { $0.hasPrefix("layer_") }) {
                throw FileError(
                    FilePaths.join(folder, layer), "belongs to a pipeline-parallel checkpoint",
                    remedy: "save the weights as a HuggingFace folder first")
            }
            models = try Self.byRank(names, "_model_states.pt", folder)
            optimizers = try Self.byRank(names, "optim_states.pt", folder)
            guard !models.isEmpty else {
                throw FileError(folder, "holds no model states of DeepSpeed")
            }
        }

        /// Files with a rank in their names, in its order; every rank must be there.
        private static func byRank(
            _ names: [String], _ suffix: String, _ folder: String
        ) throws(FileError) -> [PyTorchFile] {
            let found = names.filter { $0.hasSuffix(suffix) }.map { name in
                let digits = name.firstRange(of: "zero_pp_rank_").map {
                    name[$0.upperBound...].prefix { $0.isNumber }
                }
                return (rank: digits.flatMap { Int($0) } ?? 0, name: name)
            }.sorted { $0.rank < $1.rank }
            for (position, file) in found.enumerated() where file.rank != position {
                throw FileError(
                    FilePaths.join(folder, file.name), "the file of rank \(position) is missing",
                    likelyCause: "an incomplete copy, or a save that was cut off",
                    remedy: "copy all of the checkpoint's files")
            }
            var files: [PyTorchFile] = []
            for (_, name) in found {
                files.append(try PyTorchFile(path: FilePaths.join(folder, name)))
            }
            return files
        }

        func stage() throws(FileError) -> Int {
            let first = optimizers[0]
            let states = first.value["optimizer_state_dict"]
            let stage = try first.require(states?["zero_stage"], "\"zero_stage\"") {
                $0.stageNumber
            }
            let ranks = states?["partition_count"]
            let expected = ranks?.intValue ?? ranks?.elements?.first?.intValue
            if let expected, expected != optimizers.count {
                throw FileError(
                    first.path, "\(expected) ranks wrote it, \(optimizers.count) have a file here",
                    likelyCause: "an incomplete copy, or a save that was cut off",
                    remedy: "copy all of the checkpoint's files")
            }
            return stage
        }
    }
}

extension PickleValue {
    /// More elements than any disk holds: sums and products of such shapes cannot overflow.
    private static var elementLimit: Int { 1 << 48 }

    /// `torch.Size`, or any tuple of integers that is the shape of a tensor.
    var shape: [Int]? {
        let values = elements ?? object?.arguments.first?.elements
        guard let values else { return nil }
        let shape = values.compactMap(\.intValue)
        var count = 1
        for size in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard size >= 0, !overflow, product <= Self.elementLimit else { return nil }
            count = product
        }
        return shape.count == values.count ? shape : nil
    }

    /// A number, or an enumeration's member made from one.
    fileprivate var stageNumber: Int? { intValue ?? object?.arguments.first?.intValue }

    /// A step count: a number or a tensor of one element, which is read by its file.
    func count(in file: PyTorchFile) -> Int? {
        if let intValue { return intValue }
        guard let tensor, tensor.elementCount == 1 else { return nil }
        var value: Float = 0
        let result = withUnsafeMutableBytes(of: &value) { raw in
            Result { () throws(FileError) in
                try file.read(tensor, "step", elements: 0..<1, as: .float32, into: raw)
            }
        }
        guard case .success = result else { return nil }
        return Int(exactly: value)
    }
}
