public import ApusBase
internal import ApusFormats
internal import ApusNN
internal import ApusTensor

/// Writes a model folder with an adapter merged into its weights, or taken out of them again:
/// parameter by parameter, so that one of them at a time is in memory.
public struct AdapterMerge {
    public enum Direction: Sendable, Hashable {
        case merge
        /// Takes the adapter out of a merged model. Not for decomposed weights, whose rows have
        /// forgotten their lengths.
        case unmerge
    }

    private let direction: Direction
    private let base: PretrainedModel
    private let adapted: AdaptedModel
    private let adapter: AdapterFolder
    /// The model that is written: like the base, unless its head is no longer its embedding.
    private let result: PretrainedModel

    /// - base: the frozen model, or the merged one
    public init(
        _ base: PretrainedModel, _ adapter: AdapterFolder, _ direction: Direction = .merge
    ) throws {
        self.direction = direction
        self.base = base
        self.adapter = adapter
        adapted = try AdaptedModel(base, adapter)
        let plan = adapted.weights.plan
        let changesOneOfBoth = plan.adapted.contains {
            $0.kind == .embedding || $0.kind == .outputHead
        }
        result = changesOneOfBoth ? try base.untied() : adapted.weights.base
        let store = adapted.model.store
        if let path = plan.adapted.first(where: {
            $0.options.hasBias && store["\($0.path).bias"] == nil
        })?.path {
            throw AdapterError(
                summary: "the bias of the adapter at \(path) has no place in the model",
                likelyCause: "lora_bias on layers without a bias",
                remedy: "use the adapter beside the model")
        }
        guard direction == .unmerge else { return }
        if plan.configuration.usesDoRA || !plan.savedParameters.isEmpty
            || plan.configuration.biases != .none
        {
            throw AdapterError(
                summary: "this adapter replaces values of the model and cannot be taken out again",
                likelyCause: "DoRA, modules_to_save or trained biases",
                remedy: "keep the base model")
        }
    }

    /// - dtype: what the weights are stored as
    ///
    /// Throws for weights that do not fit, a full disk or an unwritable folder.
    public func write(to folder: String, dtype: DType) throws {
        _ = try adapted.weights.check(adapted.model.store.parameters.map(\.spec))
        let model = result.family.makeModel()
        var saver = ModelSaver(result, dtype: dtype)
        saver.maximumShardBytes = ModelWriter.defaultShardBytes
        try saver.save(model.store.parameters.map(\.spec), to: folder) { spec throws(FileError) in
            try value(of: spec)
        }
    }

    /// A parameter of the result, in fp32.
    private func value(of spec: ParameterSpec) throws(FileError) -> Tensor {
        let store = adapted.model.store
        let path = String(spec.name.dropLast(spec.name.hasSuffix(".weight") ? 7 : 0))
        let layer = adapted.weights.plan.adapted.first { $0.path == path }
        let frozen: Tensor
        if let declared = store[spec.name]?.spec {
            frozen = try adapted.weights.tensor(declared)
        } else {
            // The head of a model whose head is its embedding no longer.
            frozen = try result.tensor(spec)
        }
        guard let layer, spec.name.hasSuffix(".weight") else {
            return try addingBias(spec.name, to: frozen)
        }
        let isTransposed = layer.kind == .transposedLinear || layer.kind == .embedding
        let weight = isTransposed ? frozen.transposed : frozen
        let changed = try apply(layer.options, path, layer.kind, to: weight)
        return (isTransposed ? changed.transposed : changed).contiguous()
    }

    /// A bias with that of the layer's second factor, where it has one.
    private func addingBias(_ name: String, to frozen: Tensor) throws(FileError) -> Tensor {
        let path = String(name.dropLast(".bias".count))
        guard name.hasSuffix(".bias"), let extra = adapted.model.store["\(path).lora_B.bias"],
            let layer = adapted.weights.plan.adapted.first(where: { $0.path == path })
        else { return frozen }
        let change = try adapted.weights.tensor(extra.spec) * layer.options.scale
        return direction == .merge ? frozen + change : frozen - change
    }

    /// - weight: `[outputs, inputs]`
    private func apply(
        _ options: LowRankOptions, _ path: String, _ kind: LayerKind, to weight: Tensor
    ) throws(FileError) -> Tensor {
        func factor(_ name: String) throws(FileError) -> Tensor {
            guard let parameter = adapted.model.store["\(path).\(name)"] else {
                preconditionFailure("no factor \(path).\(name)")
            }
            return try adapted.weights.tensor(parameter.spec)
        }
        let isEmbedding = kind == .embedding
        let down = try factor(isEmbedding ? "lora_embedding_A" : "lora_A.weight")
        let up = try factor(isEmbedding ? "lora_embedding_B" : "lora_B.weight")
        let delta = up.matmul(down) * options.scale
        guard direction == .merge else { return weight - delta }
        let sum = weight + delta
        guard options.isWeightDecomposed else { return sum }
        let ratio = try factor("lora_magnitude_vector") / sum.norm(-1)
        return sum * ratio.unsqueeze(-1)
    }
}
