public import ApusBase

/// What a model's generation_config.json and config.json ask for when the user does not.
public struct GenerationDefaults: Sendable, Hashable {
    public var sampling = SamplingOptions.greedy
    /// Tokens that end a text: `eos_token_id`, one or several.
    public var stopIDs: Set<Int> = []
    public var maximumNewTokens: Int?
    /// Of prompt and answer together; the number of new tokens wins over it.
    public var maximumLength: Int?
    public var minimumNewTokens = 0
    /// Texts that end an answer.
    public var stopStrings: [String] = []
    /// Answers to each prompt.
    public var sampleCount = 1
    /// Settings of the file that Apus does not have and that would change what comes out.
    public var unknown: [String] = []

    /// - generation: generation_config.json, where there is one; config.json may hold the same keys
    init(
        generation: JSONObject?, configuration: JSONObject, path: String
    ) throws(FileError) {
        let reader = try ConfigurationReader(.object(generation ?? configuration), path: path)
        let fallback = try ConfigurationReader(.object(configuration), path: path)
        stopIDs = try Self.ids("eos_token_id", reader)
        if stopIDs.isEmpty { stopIDs = try Self.ids("eos_token_id", fallback) }
        if generation != nil { try readLimits(reader) }
        try readSampling(reader)
        if let problem = sampling.problem {
            throw FileError(path, problem, likelyCause: "a mistake in generation_config.json")
        }
    }

    private mutating func readLimits(_ reader: ConfigurationReader) throws(FileError) {
        maximumNewTokens = try reader.int("max_new_tokens")
        maximumLength = try reader.int("max_length")
        minimumNewTokens = max(0, try reader.int("min_new_tokens") ?? 0)
        sampleCount = try reader.size("num_return_sequences", default: 1)
        sampling.suppressedIDs = try Self.ids("suppress_tokens", reader)
        sampling.noRepeatLength = try reader.int("no_repeat_ngram_size") ?? 0
        if let value = reader.value("stop_strings") {
            let texts = value.arrayValue ?? [value]
            stopStrings = texts.compactMap(\.stringValue)
            guard stopStrings.count == texts.count else {
                throw FileError(reader.path, "stop_strings should be a string or a list of them")
            }
        }
        unknown = Self.foreign.filter { key, neutral in
            reader.value(key).map { !neutral.contains($0) } ?? false
        }.map(\.key).sorted()
    }

    private mutating func readSampling(_ reader: ConfigurationReader) throws(FileError) {
        sampling.repetitionPenalty = try reader.double("repetition_penalty", default: 1)
        guard try reader.bool("do_sample", default: false) else { return }
        sampling.temperature = try reader.double("temperature", default: 1)
        // HuggingFace's default when the file says nothing; 0 switches it off.
        let topK = try reader.int("top_k") ?? 50
        sampling.topK = topK == 0 ? nil : topK
        if reader.value("top_p") != nil { sampling.topP = try reader.double("top_p", default: 1) }
        if reader.value("min_p") != nil { sampling.minP = try reader.double("min_p", default: 0) }
    }

    /// What other programs do and Apus does not, with the values that switch it off.
    private static let foreign: [String: [JSON]] = [
        "num_beams": [1], "num_beam_groups": [1], "diversity_penalty": [0, 0.0],
        "length_penalty": [1, 1.0], "typical_p": [1, 1.0], "epsilon_cutoff": [0, 0.0],
        "eta_cutoff": [0, 0.0], "top_h": [], "penalty_alpha": [0, 0.0], "dola_layers": [],
        "guidance_scale": [1, 1.0], "encoder_repetition_penalty": [1, 1.0],
        "encoder_no_repeat_ngram_size": [0], "bad_words_ids": [[]], "force_words_ids": [[]],
        "constraints": [[]], "forced_bos_token_id": [], "forced_eos_token_id": [],
        "exponential_decay_length_penalty": [], "begin_suppress_tokens": [[]],
        "sequence_bias": [[]], "min_length": [0], "remove_invalid_values": [false],
    ]

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
