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
        (model, weights, adapter) = (adapted.model, adapted.weights, adapted)
    }

    /// What people should know before it is trained.
    var warnings: [String] {
        (adapter?.unmatchedNames ?? []).map {
            "no layer is called '\($0)': nothing is adapted there"
        }
    }

    /// Writes the whole model, or the adapter alone.
    func save(_ recipe: Recipe, to folder: String) throws {
        if let adapter {
            try AdapterSaver(adapter.weights.plan, baseModel: recipe.model.baseModel)
                .save(model.store, to: folder)
        } else {
            try ModelSaver(pretrained, dtype: recipe.model.usesBFloat16 ? .bfloat16 : .float32)
                .save(model.store, to: folder)
        }
    }

    /// Bytes that ``save(_:to:)`` writes, about.
    func savedByteCount(_ recipe: Recipe) -> Int {
        let trained = model.store.parameters.filter(\.spec.isTrainable)
        let count = trained.reduce(0) { $0 + $1.spec.elementCount }
        return count * (adapter == nil && recipe.model.usesBFloat16 ? 2 : 4)
    }
}
