internal import ApusBase
internal import ApusConfig
internal import ApusModels
internal import ApusNN

/// The model of a run as it is declared, where its values come from, and how it is written.
struct RunModel {
    let model: any LanguageModel
    let weights: any WeightSource
    /// nil where all weights are trained.
    private let adapter: AdaptedModel?
    private let pretrained: PretrainedModel

    /// - start: how data begins the adapter, or did when the run began
    ///
    /// Throws for an adapter that does not fit the model.
    init(_ recipe: Recipe, _ pretrained: PretrainedModel, start: AdapterStart? = nil) throws {
        guard var configuration = recipe.loraConfiguration else {
            self.init(pretrained, pretrained.family.makeModel(), pretrained, nil)
            return
        }
        let folder = try recipe.adapter.modelDirectory.map { try AdapterFolder(path: $0) }
        if let folder {
            // Its shape is given; how it is trained is not.
            configuration = folder.configuration
            configuration.dropout = recipe.adapter.dropout
        }
        if let start {
            configuration = start.configuration
            configuration.dropout = recipe.adapter.dropout
        }
        let adapted = try AdaptedModel(
            pretrained, configuration, adapter: folder, start: start,
            quantization: recipe.quantization,
            seed: UInt64(bitPattern: Int64(recipe.output.seed)))
        self.init(recipe, pretrained, adapted)
    }

    private init(_ recipe: Recipe, _ pretrained: PretrainedModel, _ adapted: AdaptedModel) {
        recipe.loraPlus?.apply(
            to: adapted.model.store, learningRate: recipe.optimizer.learningRate)
        self.init(pretrained, adapted.model, adapted.weights, adapted)
    }

    private init(
        _ pretrained: PretrainedModel, _ model: any LanguageModel, _ weights: any WeightSource,
        _ adapter: AdaptedModel?
    ) {
        self.pretrained = pretrained
        (self.model, self.weights, self.adapter) = (model, weights, adapter)
    }

    /// The adapter that has to see data before it is there; nil: none has to.
    var adapterByData: AdaptedModel? { adapter.flatMap { $0.beginsByData ? $0 : nil } }

    /// What a run that goes on has to know of an adapter that data has begun.
    var adapterStart: JSON? { adapterByData?.weights.plan.configuration.json }

    /// The same run with the adapter as data has begun it.
    func begun(_ recipe: Recipe, _ adapted: AdaptedModel) -> RunModel {
        RunModel(recipe, pretrained, adapted)
    }

    /// What people should know before it is trained.
    var warnings: [String] {
        (adapter?.unmatchedNames ?? []).map {
            "no layer is called '\($0)': nothing is adapted there"
        }
    }

    /// Whether a parameter is written: of an adapted model only what was trained.
    func isSaved(_ parameter: Parameter) -> Bool {
        adapter == nil || AdaptedWeights.isStored(parameter.spec)
    }

    /// Begins to write the whole model, or the adapter alone.
    func beginSaving(_ recipe: Recipe, to folder: String) throws -> ParameterWriter {
        let saved = model.store.parameters.filter(isSaved).map(\.spec)
        if let adapter {
            return try AdapterSaver(adapter.weights.plan, baseModel: recipe.model.baseModel)
                .begin(saved, to: folder)
        }
        return try ModelSaver(pretrained, dtype: recipe.computeType).begin(saved, to: folder)
    }

    /// Bytes that are written, about.
    func savedByteCount(_ recipe: Recipe) -> Int {
        let count = model.store.parameters.filter(isSaved)
            .reduce(0) { $0 + $1.spec.elementCount }
        return count * (adapter == nil ? recipe.computeType.byteCount : 4)
    }
}
