public import ApusBase

/// What a model's generation_config.json and config.json ask for when the user does not.
public struct GenerationDefaults: Sendable, Hashable {
    public var sampling = SamplingOptions.greedy
    /// Tokens that end a text: `eos_token_id`, one or several.
    public var stopIDs: Set<Int> = []
    public var maximumNewTokens: Int?

    /// - generation: generation_config.json, where there is one; config.json may hold the same keys
    init(
        generation: JSONObject?, configuration: JSONObject, path: String
    ) throws(FileError) {
        let reader = try ConfigurationReader(.object(generation ?? configuration), path: path)
        let fallback = try ConfigurationReader(.object(configuration), path: path)
        stopIDs = try Self.ids("eos_token_id", reader)
        if stopIDs.isEmpty { stopIDs = try Self.ids("eos_token_id", fallback) }
        maximumNewTokens = try reader.int("max_new_tokens")
        sampling.repetitionPenalty = try reader.double("repetition_penalty", default: 1)
        guard try reader.bool("do_sample", default: false) else { return }
        sampling.temperature = try reader.double("temperature", default: 1)
        // HuggingFace's default when the file says nothing; 0 switches it off.
        let topK = try reader.int("top_k") ?? 50
        sampling.topK = topK == 0 ? nil : topK
        if reader.value("top_p") != nil { sampling.topP = try reader.double("top_p", default: 1) }
        if reader.value("min_p") != nil { sampling.minP = try reader.double("min_p", default: 0) }
        if let problem = sampling.problem {
            throw FileError(path, problem, likelyCause: "a mistake in generation_config.json")
        }
    }

    private static func ids(_ key: String, _ reader: ConfigurationReader) throws(FileError) -> Set<
        Int
    > {
        guard let value = reader.value(key) else { return [] }
        let numbers = (value.arrayValue ?? [value]).compactMap(\.intValue).filter { $0 >= 0 }
        guard numbers.count == value.arrayValue?.count ?? 1 else {
            throw FileError(reader.path, "\(key) should be a token id or a list of them")
        }
        return Set(numbers)
    }
}

extension PretrainedModel {
    /// The model's own settings for generating text.
    public func generationDefaults() throws(FileError) -> GenerationDefaults {
        try GenerationDefaults(generation: generation, configuration: configuration, path: path)
    }
}
