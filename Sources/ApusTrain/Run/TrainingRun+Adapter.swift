internal import ApusBase
internal import ApusComm
internal import ApusConfig
internal import ApusData
internal import ApusModels
internal import ApusTokenizer

extension TrainingRun {
    /// The adapter as data begins it, or did where the run goes on.
    func begin(
        _ declared: RunModel, _ adapter: AdaptedModel, _ source: ModelSource, _ data: RunData,
        resumed: ResumePoint?
    ) throws -> RunModel {
        if let start = try resumed?.adapterStart() {
            return try RunModel(recipe, source.pretrained, start: start)
        }
        let word = recipe.adapter.initialization.rawValue
        events.send(.phase("looking at data", detail: "'\(word)' begins the adapter by it"))
        let padding = source.tokenizer?.paddingID ?? 0
        var batches = TrainingBatches(
            data.training.samples, recipe.batchOptions(paddingID: padding), rank: group.rank,
            worldSize: group.worldSize)
        let begun = try adapter.begun(
            options: recipe.engineOptions, group: group, on: place(),
            windows: recipe.adapter.beginningSteps,
            recomputes: recipe.model.gradientCheckpointing, wantsStop: wantsStop
        ) { report in
            switch report {
            case .note(let text): events.send(.note(text))
            case .warning(let text): events.send(.warning(text))
            }
        } next: {
            batches.next()
        }
        return declared.begun(recipe, begun)
    }
}
