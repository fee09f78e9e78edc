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

    /// Throws for an adapter that does not fit the model.
    init(_ recipe: Recipe, _ pretrained: PretrainedModel) throws {
        self.pretrained = pretrained
        guard var configuration = recipe.loraConfiguration else {
            model = pretrained.family.makeModel()
            (weights, adapter) = (pretrained, nil)
            return
        }
        let folder = try recipe.adapter.modelDirectory.map { try AdapterFolder(path: $0) }
        if let folder {
            // Its shape is given; how it is trained is not.
            configuration = folder.configuration
            configuration.dropout = recipe.adapter.dropout
        }
        let adapted = try AdaptedModel(
            pretrained, configuration, adapter: folder, quantization: recipe.quantization,
            seed: UInt64(bitPattern: Int64(recipe.output.seed)))
        recipe.loraPlus?.apply(
            to: adapted.model.store, learningRate: recipe.optimizer.learningRate)
        (model, weights, adapter) = (adapted.model, adapted.weights, adapted)
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
        let trained = model.store.parameters.filter(\.spec.isTrainable)
        let count = trained.reduce(0) { $0 + $1.spec.elementCount }
        return count * (adapter == nil ? recipe.computeType.byteCount : 4)
    }
}
