public import ApusBase

/// The sizes of a decoder, as far as memory depends on them, read from its config.json alone.
public struct ModelOutline: Sendable, Hashable {
    /// Parameters of the embeddings, of each block, and of the head with its norm.
    public var embedding: Int
    public var blocks: [Int]
    public var head: Int
    public var vocabulary: Int
    public var width: Int
    /// Elements that a block keeps for its backward pass, for each token, in the compute dtype.
    public var savedPerToken: Int
    /// The same in fp32: what norms and softmax keep.
    public var savedFloatsPerToken: Int
    /// The widest rows that exist inside a block.
    public var innerWidth: Int
    /// Elements of a block's largest matrix.
    public var largestMatrix: Int
    /// Whether the head computes with the embedding's matrix.
    public var tiesEmbeddings: Bool
    /// Those of each unit to which an adapter can be added.
    public var matrices: [[Matrix]]
    /// Names of the matrices that PEFT adapts where nobody says.
    let usualTargets: [String]

    /// Parameters of each unit, in the order of declaration.
    public var units: [Int] { [embedding] + blocks + [head] }
    public var parameterCount: Int { units.reduce(0, +) }

    /// - Throws: `FileError` for a kind of model that is not known, or a size that is missing
    public init(configuration: JSON, path: String) throws(FileError) {
        try self.init(DecoderSizes(configuration, path: path))
    }

    private init(_ sizes: DecoderSizes) {
        vocabulary = sizes.vocabulary
        width = sizes.width
        tiesEmbeddings = sizes.tiesEmbeddings
        embedding = (sizes.vocabulary + sizes.learnedPositions) * sizes.width
        head = sizes.lastNorm + (sizes.tiesEmbeddings ? 0 : sizes.vocabulary * sizes.width)
        blocks = (0..<sizes.layers).map { sizes.attentionCount + sizes.feedForwardCount(layer: $0) }
        savedPerToken = sizes.savedPerToken
        savedFloatsPerToken = sizes.heads + 2
        innerWidth = max(sizes.feedForward, sizes.queries)
        largestMatrix = sizes.width * innerWidth
        let tables = sizes.tables
        let last = sizes.tiesEmbeddings ? [] : [tables.head]
        let inner = (0..<sizes.layers).map {
            sizes.attentionMatrices + sizes.feedForwardMatrices(layer: $0)
        }
        matrices = [[tables.embedding]] + inner + [last]
        usualTargets = sizes.usualTargets
    }
}

/// What a config.json says, with the names and defaults of its family.
private struct DecoderSizes {
    let family: Family
    let vocabulary, width, feedForward, layers, heads: Int
    let queries, keys, headWidth: Int
    let experts: Int
    let denseLayers: Set<Int>
    let learnedPositions: Int
    let tiesEmbeddings: Bool
    let hasAttentionBias, hasOutputBias, hasFeedForwardBias: Bool
    private let denseFeedForward: Int

    enum Family {
        case llama, normalizedLlama, gpt2, neoX, gemma, normalizedGemma, olmo2, phi3, mixture
        case normalizedMixture
    }

    static let families: [String: Family] = [
        "llama": .llama, "mistral": .llama, "qwen2": .llama, "smollm3": .llama,
        "qwen3": .normalizedLlama, "gpt2": .gpt2, "gpt_neox": .neoX, "gemma2": .gemma,
        "gemma3_text": .normalizedGemma, "olmo2": .olmo2, "phi3": .phi3, "mixtral": .mixture,
        "qwen3_moe": .normalizedMixture,
    ]

    init(_ json: JSON, path: String) throws(FileError) {
        let type = json["model_type"]?.stringValue ?? ""
        guard let family = Self.families[type] else {
            throw FileError(
                path, "holds a model of type '\(type)', whose memory cannot be planned",
                remedy: "known are \(Self.families.keys.sorted().joined(separator: ", "))")
        }
        self.family = family
        func size(_ names: String..., default fallback: Int? = nil) throws(FileError) -> Int {
            let found = names.lazy.compactMap { json[$0]?.intValue }.first ?? fallback
            guard let found, found > 0, found < 1 << 32 else {
                throw FileError(path, "has no usable '\(names[0])'")
            }
            return found
        }
        func flag(_ name: String, _ fallback: Bool) -> Bool { json[name]?.boolValue ?? fallback }
        vocabulary = try size("vocab_size")
        width = try size("hidden_size", "n_embd")
        layers = try size("num_hidden_layers", "n_layer")
        heads = try size("num_attention_heads", "n_head")
        let isGemma = family == .gemma || family == .normalizedGemma
        let isNormalized = family == .normalizedLlama || family == .normalizedMixture
        headWidth = try size(
            "head_dim", default: isGemma ? 256 : isNormalized ? 128 : max(1, width / heads))
        let isOld = family == .gpt2 || family == .neoX
        queries = heads * headWidth
        keys = try isOld ? queries : size("num_key_value_heads", default: heads) * headWidth
        denseFeedForward = try size("intermediate_size", "n_inner", default: 4 * width)
        let isMixture = family == .mixture || family == .normalizedMixture
        let fallback = family == .mixture ? 8 : 128
        experts =
            try isMixture ? size("num_local_experts", "num_experts", default: fallback) : 1
        feedForward =
            try family == .normalizedMixture
            ? size("moe_intermediate_size", default: 768) : denseFeedForward
        let step = try size("decoder_sparse_step", default: 1)
        let named = json["mlp_only_layers"]?.arrayValue?.compactMap(\.intValue) ?? []
        let between = (0..<layers).filter { !($0 + 1).isMultiple(of: step) }
        denseLayers = family == .normalizedMixture ? Set(named + between) : []
        learnedPositions =
            try family == .gpt2
            ? size("n_positions", "max_position_embeddings", default: 1024) : 0
        let ties = isGemma || family == .gpt2 || type == "smollm3"
        tiesEmbeddings = flag("tie_word_embeddings", ties)
        let bias = flag("attention_bias", isOld)
        hasAttentionBias = bias || type == "qwen2" || family == .gpt2
        hasOutputBias = family == .gpt2 || (type != "qwen2" && family != .phi3 && bias)
        hasFeedForwardBias = isOld || flag("mlp_bias", false)
    }

    // MARK: Parameters

    private var isPlainLayerNorm: Bool { family == .gpt2 || family == .neoX }

    /// Of the norm before the head.
    var lastNorm: Int { isPlainLayerNorm ? 2 * width : width }

    /// A block's attention, with all of the block's norms.
    var attentionCount: Int {
        let projections = 2 * width * queries + 2 * width * keys
        let biases = (hasAttentionBias ? queries + 2 * keys : 0) + (hasOutputBias ? width : 0)
        return projections + biases + norms
    }

    private var norms: Int {
        switch family {
        case .llama, .phi3, .mixture: 2 * width
        case .normalizedLlama, .normalizedMixture: 2 * width + 2 * headWidth
        case .gpt2, .neoX: 4 * width
        case .gemma: 4 * width
        case .normalizedGemma: 4 * width + 2 * headWidth
        case .olmo2: 2 * width + queries + keys
        }
    }

    func feedForwardCount(layer: Int) -> Int {
        if experts > 1, !denseLayers.contains(layer) {
            return experts * 3 * width * feedForward + experts * width
        }
        let inner = denseFeedForward
        if isPlainLayerNorm { return 2 * width * inner + inner + width }
        return 3 * width * inner + (hasFeedForwardBias ? 2 * inner + width : 0)
    }

    // MARK: Matrices

    var tables: (embedding: ModelOutline.Matrix, head: ModelOutline.Matrix) {
        let names =
            switch family {
            case .gpt2: ("wte", "lm_head")
            case .neoX: ("embed_in", "embed_out")
            default: ("embed_tokens", "lm_head")
            }
        return (
            .init(name: names.0, inputs: vocabulary, outputs: width, kind: .table),
            .init(name: names.1, inputs: width, outputs: vocabulary, kind: .table)
        )
    }

    var usualTargets: [String] {
        switch family {
        case .gpt2: ["c_attn"]
        case .neoX: ["query_key_value"]
        case .phi3: ["qkv_proj"]
        default: ["q_proj", "v_proj"]
        }
    }

    var attentionMatrices: [ModelOutline.Matrix] {
        let all = queries + 2 * keys
        switch family {
        case .gpt2: return [matrix("c_attn", width, all), matrix("c_proj", queries, width)]
        case .neoX: return [matrix("query_key_value", width, all), matrix("dense", queries, width)]
        case .phi3: return [matrix("qkv_proj", width, all), matrix("o_proj", queries, width)]
        default:
            return [
                matrix("q_proj", width, queries), matrix("k_proj", width, keys),
                matrix("v_proj", width, keys), matrix("o_proj", queries, width),
            ]
        }
    }

    func feedForwardMatrices(layer: Int) -> [ModelOutline.Matrix] {
        if experts > 1, !denseLayers.contains(layer) {
            let outputs = 3 * experts * feedForward
            return [.init(name: "experts", inputs: width, outputs: outputs, kind: .experts)]
        }
        let inner = denseFeedForward
        switch family {
        case .gpt2: return [matrix("c_fc", width, inner), matrix("c_proj", inner, width)]
        case .neoX:
            return [matrix("dense_h_to_4h", width, inner), matrix("dense_4h_to_h", inner, width)]
        case .phi3:
            return [matrix("gate_up_proj", width, 2 * inner), matrix("down_proj", inner, width)]
        default:
            return [
                matrix("gate_proj", width, inner), matrix("up_proj", width, inner),
                matrix("down_proj", inner, width),
            ]
        }
    }

    private func matrix(_ name: String, _ inputs: Int, _ outputs: Int) -> ModelOutline.Matrix {
        .init(name: name, inputs: inputs, outputs: outputs)
    }

    // MARK: Activations

    /// What autograd keeps of a block: the inputs of its norms, matrix products and gates, rotated
    /// queries and keys, values, and what attention gives.
    var savedPerToken: Int {
        let attention = 2 * queries + 2 * keys
        let headNorms = queries + keys
        switch family {
        case .llama, .phi3: return 4 * width + attention + 3 * feedForward
        case .normalizedLlama, .olmo2:
            return 4 * width + attention + headNorms + 3 * feedForward
        case .gpt2: return 4 * width + attention + 2 * feedForward
        case .neoX: return 4 * width + attention + 2 * feedForward
        case .gemma: return 6 * width + attention + 3 * feedForward
        case .normalizedGemma: return 6 * width + attention + headNorms + 3 * feedForward
        case .mixture: return 4 * width + attention + experts * (3 * feedForward + 2 * width)
        case .normalizedMixture:
            return 4 * width + attention + headNorms + experts * (3 * feedForward + 2 * width)
        }
    }
}
