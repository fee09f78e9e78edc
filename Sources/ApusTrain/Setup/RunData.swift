public import ApusConfig
public import ApusData
public import ApusTokenizer

/// The samples of a run: what is trained on and what is held out.
public struct RunData {
    public let training: Dataset
    public let heldOut: Dataset?

    /// Reads and tokenises what the recipe names. Every rank does so by itself and gets the same.
    public init(_ recipe: Recipe, tokenizer: Tokenizer?, vocabularySize: Int) throws {
        var options = Dataset.Options()
        options.sequenceLength = recipe.data.sequenceLength
        options.excessLength = recipe.data.excessLength
        options.vocabularySize = vocabularySize
        let encoder: any TextEncoder = tokenizer ?? NoEncoder()
        let renderer = try Self.renderer(recipe, tokenizer)
        func load(_ settings: [DatasetSettings]) throws -> Dataset {
            try Dataset.load(
                settings.map(\.source), encoder: encoder, renderer: renderer, options: options)
        }
        let all = try load(recipe.data.datasets)
        // Splitting also draws from sources by their weights.
        let seed = UInt64(bitPattern: Int64(recipe.output.seed))
        if !recipe.data.testDatasets.isEmpty {
            training = all.split(validation: 0, seed: seed).training
            heldOut = try load(recipe.data.testDatasets)
        } else if recipe.data.validationSetSize > 0 {
            let parts = all.split(validation: recipe.data.validationSetSize, seed: seed)
            training = parts.training
            heldOut = parts.validation.samples.count > 0 ? parts.validation : nil
        } else {
            training = all.split(validation: 0, seed: seed).training
            heldOut = nil
        }
    }

    /// The recipe's own template, or the one that comes with the tokenizer.
    private static func renderer(
        _ recipe: Recipe, _ tokenizer: Tokenizer?
    ) throws -> (any ChatRenderer)? {
        guard let tokenizer else { return nil }
        guard let text = recipe.data.chatTemplateJinja else { return TokenizerChat(tokenizer) }
        return TokenizerChat(tokenizer, template: try ChatTemplate(text))
    }
}
