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
    private let adapted: AdaptedModel
    /// The model that is written: like the base, unless its head is no longer its embedding.
    private let result: PretrainedModel

    /// - base: the frozen model, or the merged one
    public init(
        _ base: PretrainedModel, _ adapter: AdapterFolder, _ direction: Direction = .merge
    ) throws {
        self.direction = direction
        adapted = try AdaptedModel(base, adapter)
        let plan = adapted.weights.plan
        let store = adapted.model.store
        let changesOneOfBoth =
            plan.adapted.contains {
                $0.kind == .outputHead || $0.kind == .embedding && !plan.tiesUpdates
            }
            || FallbackHead.modules.contains { store[$0 + AdaptedWeights.rowsSuffix] != nil }
        result = changesOneOfBoth ? try adapted.weights.base.untied() : adapted.weights.base
        if let path = plan.adapted.first(where: {
            $0.options.hasBias && store["\($0.path).bias"] == nil
        })?.path {
            throw AdapterError(
                summary: "the bias of the adapter at \(path) has no place in the model",
                likelyCause: "lora_bias on layers without a bias",
                remedy: "use the adapter beside the model")
        }
        guard direction == .unmerge, let reason = Self.isFinal(plan) else { return }
        throw AdapterError(
            summary: "this adapter replaces values of the model and cannot be taken out again",
            likelyCause: reason, remedy: "keep the base model")
    }

    /// Why a merged adapter cannot be taken out again; nil: it can.
    private static func isFinal(_ plan: LoRAPlan) -> String? {
        let c = plan.configuration
        let reasons = [
            (c.usesDoRA, "DoRA"), (!plan.savedParameters.isEmpty, "modules_to_save"),
            (c.biases != .none, "trained biases"), (!c.tokenRows.isEmpty, "trained rows"),
            (!c.layerRanges.isEmpty, "layers that stand there several times"),
            (plan.changesWeights, "a beginning that changed the weights"),
        ]
        return reasons.first(where: \.0)?.1
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
        var frozen: Tensor
        if let declared = store[spec.name]?.spec {
            frozen = try adapted.weights.tensor(declared)
        } else {
            // The head of a model whose head is its embedding no longer.
            frozen = try result.tensor(spec)
        }
        if let rows = rows(of: path) {
            let indices = Tensor(adapted.weights.plan.trainedRows(ofTable: rows.table) ?? [])
            frozen = frozen.indexCopy(0, indices, source: try adapted.weights.tensor(rows.spec))
        }
        if let change = try expertChange(spec.name) {
            return direction == .merge ? frozen + change : frozen - change
        }
        guard let layer, spec.name.hasSuffix(".weight") else {
            return try addingBias(spec.name, to: frozen)
        }
        let isTransposed = layer.kind == .transposedLinear || layer.kind == .embedding
        let weight = isTransposed ? frozen.transposed : frozen
        let changed = try apply(layer.options, path, layer.kind, to: weight)
        return (isTransposed ? changed.transposed : changed).contiguous()
    }

    /// The trained rows of a table; a head that was the embedding has those of the embedding.
    private func rows(of path: String) -> (spec: ParameterSpec, table: String)? {
        let store = adapted.model.store
        let isTied =
            FallbackHead.modules.contains(path) && store["\(path).weight"] == nil
        for table in [path] + (isTied ? FallbackHead.embeddingModules : []) {
            if let rows = store[table + AdaptedWeights.rowsSuffix] { return (rows.spec, table) }
        }
        return nil
    }

    /// What is added to the matrix of an expert; nil: nothing, or it is none.
    private func expertChange(_ name: String) throws(FileError) -> Tensor? {
        let experts = adapted.weights.plan.experts
        guard let matrix = ExpertMatrix(name),
            let options = experts.first(where: { $0.parameter == matrix.parameter })?.options,
            let dot = matrix.parameter.lastIndex(of: ".")
        else { return nil }
        let module = String(matrix.parameter[..<dot])
        let isInner =
            matrix.isSecondHalf != nil
            && experts.contains { $0.parameter == "\(module).down_proj" }
        let place = isInner ? "\(module).base_layer" : module
        let factors = ExpertUpdate.factors(
            try added("\(place).lora_A.weight"), try added("\(place).lora_B.weight"),
            rank: options.rank, expert: matrix.expert)
        let delta = factors.up.matmul(factors.down) * options.scale
        guard let isSecondHalf = matrix.isSecondHalf else { return delta }
        let half = delta.size(0) / 2
        return delta.slice(0, isSecondHalf ? half..<2 * half : 0..<half)
    }

    /// A parameter of the adapter.
    private func added(_ name: String) throws(FileError) -> Tensor {
        guard let parameter = adapted.model.store[name] else {
            preconditionFailure("no factor \(name)")
        }
        return try adapted.weights.tensor(parameter.spec)
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
        let isEmbedding = kind == .embedding
        let down = try added("\(path).\(isEmbedding ? "lora_embedding_A" : "lora_A.weight")")
        let up = try added("\(path).\(isEmbedding ? "lora_embedding_B" : "lora_B.weight")")
        let delta = up.matmul(down) * options.scale
        guard direction == .merge else { return weight - delta }
        let sum = weight + delta
        guard options.isWeightDecomposed else { return sum }
        let ratio = try added("\(path).lora_magnitude_vector") / sum.norm(-1)
        return sum * ratio.unsqueeze(-1)
    }
}
