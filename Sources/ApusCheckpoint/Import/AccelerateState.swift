internal import ApusBase
internal import ApusFormats

/// Reads what Accelerate's `save_state` and the HuggingFace trainer write: weights in safetensors
/// or PyTorch files, the optimizer in `optimizer.bin` or `optimizer.pt`.
enum AccelerateState {
    private static let optimizers = ["optimizer.bin", "optimizer.pt"]

    static func isOne(_ path: String) -> Bool {
        optimizers.contains { FilePaths.isFile(FilePaths.join(path, $0)) }
    }

    static func open(_ path: String) throws(FileError) -> ForeignState {
        let weights = try openTensors(at: path)
        var state = PickledState()
        var notes: [String] = []
        var updates: Int?
        for name in optimizers where FilePaths.isFile(FilePaths.join(path, name)) {
            let file = try PyTorchFile(path: FilePaths.join(path, name))
            let parameters = weights.names.compactMap { name in
                weights.entry(name).map { (name: name, shape: $0.shape) }
            }
            // Safetensors files are sorted by name; an optimizer counts in the model's order.
            guard let ordered = ParameterOrder.declared(parameters, isSorted: weights.isSorted)
            else {
                notes.append(
                    "the optimizer numbers the parameters in an order that is not known for this "
                        + "kind of model: its moments are left out")
                break
            }
            guard let moments = TorchMoments(file, file.value, parameters: ordered) else {
                notes.append("the optimizer's moments do not fit the weights and are left out")
                break
            }
            try moments.add(to: &state)
            updates = moments.updates
            break
        }
        return ForeignState(
            path: path, origin: "Accelerate or the HuggingFace trainer",
            step: try trainerStep(path) ?? updates ?? 0, updates: updates, notes: notes,
            state: state, weights: weights)
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

extension TensorSource {
    /// Whether the file's order is that of the names, and says nothing of the model's.
    fileprivate var isSorted: Bool { !(self is PickledTensors) }
}

/// The order in which a model declares its parameters, for families whose is known.
enum ParameterOrder {
    /// Modules of a decoder in the order of `transformers`' declarations.
    private static let modules = [
        "embed_tokens", "layers", "self_attn", "q_proj", "k_proj", "v_proj", "o_proj", "q_norm",
        "k_norm", "mlp", "gate_proj", "up_proj", "down_proj", "input_layernorm",
        "post_attention_layernorm", "norm", "lm_head",
    ]

    /// - isSorted: whether `parameters` have lost the model's order
    /// - Returns: nil where it cannot be told
    static func declared(
        _ parameters: [(name: String, shape: [Int])], isSorted: Bool
    ) -> [(name: String, shape: [Int])]? {
        guard isSorted else { return parameters }
        var keyed: [(key: [Int], parameter: (name: String, shape: [Int]))] = []
        for parameter in parameters {
            guard let key = key(parameter.name) else { return nil }
            keyed.append((key, parameter))
        }
        return keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.parameter)
    }

    private static func key(_ name: String) -> [Int]? {
        var key: [Int] = []
        for part in name.split(separator: ".") {
            if part == "model" { continue }
            if let number = Int(part) {
                key.append(number)
            } else if part == "weight" || part == "bias" {
                key.append(part == "weight" ? 0 : 1)
            } else if let place = modules.firstIndex(of: String(part)) {
                key.append(place)
            } else {
                return nil
            }
        }
        return key
    }
}
