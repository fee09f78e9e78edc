internal import ApusBase
public import ApusConfig
public import ApusData
public import ApusTokenizer

/// The samples of a run: what is trained on and what is held out.
public struct RunData {
    public let training: Dataset
    public let heldOut: Dataset?
    /// What the cache had to do with the files of each.
    public let cacheUses: [Dataset.CacheUse]

    /// Reads and tokenises what the recipe names. Every rank does so by itself and gets the same.
    public init(_ recipe: Recipe, tokenizer: Tokenizer?, vocabularySize: Int) throws {
        var options = recipe.datasetOptions(vocabularySize: vocabularySize)
        options.cache = recipe.datasetCache(tokenizer)
        let encoder: any TextEncoder = tokenizer ?? NoEncoder()
        let renderer = try recipe.chatRenderer(tokenizer)
        func load(_ settings: [DatasetSettings]) throws -> Dataset {
            try Dataset.load(
                settings.map(\.source), encoder: encoder, renderer: renderer, options: options)
        }
        let all = try load(recipe.data.datasets)
        var cacheUses = [all.cacheUse]
        // Splitting also draws from sources by their weights.
        let seed = UInt64(bitPattern: Int64(recipe.output.seed))
        if !recipe.data.testDatasets.isEmpty {
            training = all.split(validation: 0, seed: seed).training
            let held = try load(recipe.data.testDatasets)
            cacheUses.append(held.cacheUse)
            heldOut = held
        } else if recipe.data.validationSetSize > 0 {
            let parts = all.split(validation: recipe.data.validationSetSize, seed: seed)
            training = parts.training
            heldOut = parts.validation.samples.count > 0 ? parts.validation : nil
        } else {
            training = all.split(validation: 0, seed: seed).training
            heldOut = nil
        }
        self.cacheUses = cacheUses.compactMap { $0 }
        if training.samples.count == 0 { throw NothingToTrain() }
    }
}

/// Every source has the weight 0.
private struct NothingToTrain: OperationalError {
    var summary: String { "no sample is left to train on" }
    var likelyCause: String? { "each of the datasets has 'weight: 0'" }
    var remedy: String? { "give at least one a weight above 0" }
}
