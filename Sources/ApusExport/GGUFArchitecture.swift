internal import ApusBase
internal import ApusFormats

/// What a model's configuration becomes in a GGUF file.
struct GGUFArchitecture {
    let naming: GGUFNaming
    let vocabularySize: Int
    /// `llama.block_count` and the like.
    let sizes: [(key: String, value: GGUFValue)]
    /// Divisors of rotary frequencies, which stand beside the weights.
    let divisors: [(name: String, values: [Float])]
    /// The head is the embedding.
    let isTied: Bool
    /// What llama.cpp computes in another way, for the user to know.
    let remarks: [String]

    /// Ties where the file does not say.
    private static let tied: Set = ["gpt2", "gemma2", "gemma3_text", "smollm3"]
    /// llama.cpp asks for a head of its own.
    private static let headed: Set = ["gptneox", "olmo2"]

    /// Throws for a kind that is not known, a value that is missing, and where llama.cpp would
    /// compute something else than the configuration says.
    init(_ json: JSONObject, path: String) throws(FileError) {
        let configuration = ModelConfiguration(json: json, path: path)
        let type = try configuration.text("model_type")
        let isGPT2 = type == "gpt2"
        let heads = isGPT2 ? "n_head" : "num_attention_heads"
        guard GGUFNaming.modelTypes.contains(type) else {
            throw configuration.fault(
                "models of type \(type) are not written as GGUF",
                remedy: "known are \(GGUFNaming.modelTypes.joined(separator: ", "))")
        }
        let headWidth = try configuration.headWidth(
            width: isGPT2 ? "n_embd" : "hidden_size", heads: heads)
        naming = GGUFNaming(
            modelType: type, headCount: try configuration.int(heads), headWidth: headWidth)!
        vocabularySize = try configuration.int("vocab_size")
        isTied = configuration.bool("tie_word_embeddings", default: Self.tied.contains(type))
        var sizes = GGUFSizes(configuration, prefix: naming.architecture, headWidth: headWidth)
        try sizes.add(modelType: type)
        self.sizes = sizes.pairs
        divisors = sizes.divisors
        remarks = sizes.remarks
    }

    // MARK: Tensors

    /// The second name of a tied head, and buffers of old files.
    func ignores(_ tensor: String) -> Bool {
        let buffers = ["rotary_emb.inv_freq", ".masked_bias", ".attn.bias", ".attention.bias"]
        if buffers.contains(where: { tensor.hasSuffix($0) }) { return true }
        return isTied && naming.place(of: tensor)?.tensor == "output.weight"
    }

    /// The head is written as a copy of the embedding.
    var copiesHead: Bool { isTied && Self.headed.contains(naming.architecture) }

    /// Embedding, blocks by number, head.
    func order(_ target: String) -> Int {
        let parts = target.split(separator: ".")
        if parts[0] == "blk", parts.count > 1, let number = Int(parts[1]) { return number + 1 }
        return ["token_embd": 0, "position_embd": 0, "output_norm": Int.max - 1][parts[0]]
            ?? Int.max
    }

    // MARK: Metadata

    func metadata(name folder: String) -> [(key: String, value: GGUFValue)] {
        [
            ("general.architecture", .string(naming.architecture)),
            ("general.type", .string("model")), ("general.name", .string(folder)),
        ] + sizes
    }
}
