public import ApusBase
public import ApusNN
internal import ApusTensor

/// A model declared with an adapter, and where its values come from.
public struct AdaptedModel {
    public let model: any LanguageModel
    public let weights: AdaptedWeights
    /// Names among the targets that no layer has.
    public let unmatchedNames: [String]
    // Of which the same is made again, when data has begun it.
    let original: PretrainedModel
    let quantization: WeightQuantization?
    let seed: UInt64

    /// Declares the model; memory comes later.
    ///
    /// - adapter: values to go on from; nil: new ones by `seed`
    /// - start: new values that data gave, with their configuration
    /// - quantization: how frozen weights of linear layers are held; nil: as they are
    ///
    /// Throws ``AdapterError`` for a configuration that does not fit the model.
    public init(
        _ base: PretrainedModel, _ configuration: LoRAConfiguration,
        adapter: AdapterFolder? = nil, start: AdapterStart? = nil,
        quantization: WeightQuantization? = nil, seed: UInt64 = 0
    ) throws {
        (original, self.quantization, self.seed) = (base, quantization, seed)
        let modelType = base.configuration["model_type"]?.stringValue ?? ""
        let plan = try LoRAPlan(
            configuration, modelType: modelType, quantization: quantization, isTied: base.isTied,
            isNew: adapter == nil)
        // A copy of the embedding or the head of its own is trained: they are one no longer.
        let shared = LoRAPlan.tokenEmbeddings + LoRAPlan.heads
        let splits = shared.contains { name in
            configuration.modulesToSave.contains { LoRAPlan.ends($0, in: name) }
        } && !plan.tiesUpdates
        let base = try (splits ? base.untied() : base).replicated(configuration.layerRanges)
        let store = ParameterStore(adaptation: plan)
        model = base.family.makeModel(in: store)
        unmatchedNames = try plan.check()
        try Self.check(configuration, plan, model, isNew: adapter == nil)
        weights = AdaptedWeights(
            base, plan, adapter: adapter, start: start, store: store, seed: seed)
    }

    /// Whether the model has to see data before it has its adapter (`begun`).
    public var beginsByData: Bool { weights.plan.beginsByData }

    fileprivate static func check(
        _ configuration: LoRAConfiguration, _ plan: LoRAPlan, _ model: any LanguageModel,
        isNew: Bool
    ) throws(AdapterError) {
        let word = configuration.initialization.word
        if !isNew, configuration.initialization == .corda {
            throw AdapterError(
                summary: "'corda' has changed the frozen weights by data that an adapter folder "
                    + "does not hold",
                remedy: "let PEFT convert it (path_initial_model_for_weight_conversion)")
        }
        if plan.beginsByData, plan.changesWeights, plan.isQuantized {
            throw AdapterError(
                summary: "'\(word)' takes its factors out of the frozen weights, which are held in "
                    + "few bits",
                likelyCause: "what the bits lose of the rest is in no adapter folder",
                remedy: "choose 'eva', 'pissa' or 'loftq', or hold the weights as they are")
        }
        if plan.changesWeights,
            let head = plan.adapted.first(where: { $0.kind == .outputHead })?.path,
            model.store["\(head).weight"] == nil
        {
            throw AdapterError(
                summary: "'\(word)' changes the weight of \(head), "
                    + "which is the embedding's",
                remedy: "leave the head out")
        }
        for rows in configuration.tokenRows {
            let end = "\(rows.table.map { "\($0)." } ?? "")\(AdaptedWeights.rowsSuffix.dropFirst())"
            let isThere = model.store.parameters.contains { LoRAPlan.ends($0.name, in: end) }
            let isShared = rows.table.map {
                LoRAPlan.heads.contains($0) && model.store["\($0).weight"] == nil
            } ?? false
            guard isThere || isShared else {
                throw AdapterError(
                    summary: "no table is called '\(rows.table ?? "")' to train rows of",
                    remedy: "name the embedding (embed_tokens) or the head (lm_head)")
            }
            if let bad = rows.indices.first(where: { $0 >= model.vocabularySize }) {
                throw AdapterError(
                    summary: "there is no row \(bad) to train: the vocabulary has "
                        + "\(model.vocabularySize) tokens")
            }
            guard Set(rows.indices).count == rows.indices.count else {
                throw AdapterError(summary: "a row to train is named twice")
            }
        }
    }

    /// The model with a trained adapter.
    public init(_ base: PretrainedModel, _ adapter: AdapterFolder) throws {
        try self.init(base, adapter.configuration, adapter: adapter)
    }

    /// Gives the model host memory and its values: for inference and tests.
    public func load(dtype: DType) throws -> any LanguageModel {
        try weights.load(into: model.store, dtype: dtype)
        return model
    }
}

/// A sequence classifier with an adapter, whose head is trained whole.
public struct AdaptedClassifier {
    public let classifier: SequenceClassifier
    public let weights: AdaptedWeights

    /// - base: a folder with a head for sequences
    /// - adapter: values to go on from; nil: new ones by `seed`
    ///
    /// Throws ``AdapterError`` for a configuration that does not fit the model.
    public init(
        _ base: PretrainedModel, _ configuration: LoRAConfiguration,
        adapter: AdapterFolder? = nil, quantization: WeightQuantization? = nil, seed: UInt64 = 0
    ) throws {
        var configuration = configuration
        configuration.taskType = "SEQ_CLS"
        // As PEFT has it: whichever of both the model has.
        let heads = ["classifier", "score"].filter { !configuration.modulesToSave.contains($0) }
        configuration.modulesToSave += heads
        let plan = try LoRAPlan(
            configuration, modelType: base.configuration["model_type"]?.stringValue ?? "",
            quantization: quantization, isNew: adapter == nil)
        if plan.beginsByData {
            throw AdapterError(
                summary: "'\(configuration.initialization.word)' needs data, which classifiers are "
                    + "not shown",
                remedy: "choose another beginning")
        }
        let base = try base.replicated(configuration.layerRanges)
        let store = ParameterStore(adaptation: plan)
        classifier = try SequenceClassifier(
            base.family, configuration: base.configuration, path: base.path, store: store)
        _ = try plan.check()
        try AdaptedModel.check(
            configuration, plan, classifier.backbone, isNew: adapter == nil)
        weights = AdaptedWeights(base, plan, adapter: adapter, store: store, seed: seed)
    }

    /// The classifier with a trained adapter.
    public init(_ base: PretrainedModel, _ adapter: AdapterFolder) throws {
        try self.init(base, adapter.configuration, adapter: adapter)
    }

    /// Gives the classifier host memory and its values.
    public func load(dtype: DType) throws -> SequenceClassifier {
        try weights.load(into: classifier.store, dtype: dtype)
        return classifier
    }
}

extension AdaptedWeights {
    /// Gives parameters host memory and their values.
    fileprivate func load(into store: ParameterStore, dtype: DType) throws(FileError) {
        _ = try check(store.specs)
        store.allocate(dtype: dtype)
        for parameter in store.parameters {
            guard let memory = parameter.value.hostMemory else {
                preconditionFailure("load: \(parameter.name) is not contiguous host memory")
            }
            let all = 0..<parameter.spec.elementCount
            try read(parameter.spec, elements: all, as: dtype, into: memory)
        }
        try loadQuantized(store, computeType: dtype)
    }
}
