internal import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What llama.cpp calls a model, its sizes and its tensors.
struct GGUFArchitecture {
    /// How a tensor's elements differ between the two worlds.
    struct Change {
        /// Rows of a head, whose two halves are rotated against each other in HuggingFace's order
        /// and stand in turn in llama.cpp's; nil: as they are.
        var headRows: Int?
        /// Gemma's norms multiply by one more than the weight, llama.cpp's by the weight.
        var addsOne = false

        var keepsRows: Bool { headRows == nil }

        /// The row of the source that stands in this row of the target.
        func row(_ target: Int) -> Int {
            guard let headRows else { return target }
            let (head, inner) = target.quotientAndRemainder(dividingBy: headRows)
            return head * headRows + inner / 2 + (inner % 2) * (headRows / 2)
        }
    }

    /// `llama`, `qwen2`.
    let name: String
    let vocabularySize: Int
    private let configuration: Configuration
    private let inner: [String: String]

    private static let attention = [
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm", "self_attn.qkv_proj": "attn_qkv",
    ]
    private static let feedForward = [
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        "mlp.gate_up_proj": "ffn_up",
    ]
    /// Norms before the two parts of a block.
    private static let before = [
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    ]
    /// Norms behind them.
    private static let behind = [
        "post_attention_layernorm": "post_attention_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
    ]
    private static let around = [
        "input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
    ]
    /// Whose sliding window llama.cpp knows.
    private static let windowed: Set = ["gemma2", "gemma3", "phi3"]
    /// By `model_type`: llama.cpp's name and the norms of a block.
    private static let known: [String: (name: String, norms: [String: String])] = [
        "llama": ("llama", before), "mistral": ("llama", before), "qwen2": ("qwen2", before),
        "qwen3": ("qwen3", before), "phi3": ("phi3", before), "olmo2": ("olmo2", behind),
        "gemma2": ("gemma2", around), "gemma3_text": ("gemma3", around),
    ]

    init(_ json: JSONObject, path: String) throws(FileError) {
        configuration = Configuration(json: json, path: path)
        let type = try configuration.text("model_type")
        guard let known = Self.known[type] else {
            throw FileError(
                path, "models of type \(type) are not written as GGUF",
                remedy: "known are \(Self.known.keys.sorted().joined(separator: ", "))")
        }
        name = known.name
        vocabularySize = try configuration.int("vocab_size")
        inner = Self.attention.merging(Self.feedForward) { first, _ in first }
            .merging(known.norms) { first, _ in first }
        // All sizes must be there before anything is written.
        _ = try sizes()
        _ = try rotaryDivisors()
    }

    // MARK: Tensors

    /// The second name of a tied head, and buffers of old files.
    func ignores(_ tensor: String) -> Bool {
        tensor.hasSuffix("rotary_emb.inv_freq")
            || (tensor == "lm_head.weight" && configuration.bool("tie_word_embeddings"))
    }

    func name(of tensor: String) -> (name: String, change: Change)? {
        let full = tensor.hasPrefix("model.") || tensor.hasPrefix("lm_head.")
        let path = full ? tensor : "model." + tensor
        guard let dot = path.lastIndex(of: ".") else { return nil }
        let (module, kind) = (String(path[..<dot]), String(path[dot...]))
        var change = Change()
        change.addsOne = name.hasPrefix("gemma") && module.hasSuffix("norm")
        switch module {
        case "model.embed_tokens": return ("token_embd" + kind, change)
        case "model.norm": return ("output_norm" + kind, change)
        case "lm_head": return ("output" + kind, change)
        default: break
        }
        let parts = module.split(separator: ".", maxSplits: 3)
        guard parts.count == 4, parts[0] == "model", parts[1] == "layers", Int(parts[2]) != nil,
            let part = inner[String(parts[3])]
        else { return nil }
        if name == "llama", part == "attn_q" || part == "attn_k" {
            change.headRows = try? headWidth()
        }
        return ("blk.\(parts[2]).\(part)\(kind)", change)
    }

    /// Embedding, blocks by number, head.
    func order(_ target: String) -> Int {
        let parts = target.split(separator: ".")
        if parts[0] == "blk", parts.count > 1, let number = Int(parts[1]) { return number + 1 }
        return ["token_embd": 0, "output_norm": Int.max - 1][parts[0]] ?? Int.max
    }

    // MARK: Metadata

    private func headWidth() throws(FileError) -> Int {
        if let width = configuration.json["head_dim"]?.intValue { return width }
        let heads = try configuration.int("num_attention_heads")
        guard heads > 0 else { throw configuration.fault("num_attention_heads is \(heads)") }
        return try configuration.int("hidden_size") / heads
    }

    func metadata(name folder: String) -> [(key: String, value: GGUFValue)] {
        let pairs: [(key: String, value: GGUFValue)] = [
            ("general.architecture", .string(name)), ("general.type", .string("model")),
            ("general.name", .string(folder)),
        ]
        // Read once in `init`, where what is missing was an error.
        return pairs + ((try? sizes()) ?? [])
    }

    private func sizes() throws(FileError) -> [(key: String, value: GGUFValue)] {
        let heads = try configuration.int("num_attention_heads")
        let width = try headWidth()
        var pairs: [(key: String, value: GGUFValue)] = []
        func set(_ key: String, _ value: GGUFValue) { pairs.append(("\(name).\(key)", value)) }
        func set(_ key: String, _ value: Int) throws(FileError) {
            guard let number = UInt32(exactly: value) else {
                throw configuration.fault("\(key) is \(value)")
            }
            set(key, .uint32(number))
        }
        try set("block_count", try configuration.int("num_hidden_layers"))
        try set("context_length", try configuration.int("max_position_embeddings"))
        try set("embedding_length", try configuration.int("hidden_size"))
        try set("feed_forward_length", try configuration.int("intermediate_size"))
        try set("attention.head_count", heads)
        try set(
            "attention.head_count_kv",
            configuration.json["num_key_value_heads"]?.intValue ?? heads)
        set(
            "attention.layer_norm_rms_epsilon",
            .float32(Float(try configuration.double("rms_norm_eps"))))
        try set("attention.key_length", width)
        try set("attention.value_length", width)
        try set("rope.dimension_count", width)
        try set("vocab_size", vocabularySize)
        set("rope.freq_base", .float32(Float(configuration.rotary("rope_theta") ?? 10_000)))
        if Self.windowed.contains(name), let window = configuration.json["sliding_window"]?.intValue
        {
            try set("attention.sliding_window", window)
        }
        for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
            if let cap = configuration.json[key]?.doubleValue { set(key, .float32(Float(cap))) }
        }
        if configuration.rotaryType == "linear", let factor = configuration.rotary("factor") {
            set("rope.scaling.type", .string("linear"))
            set("rope.scaling.factor", .float32(Float(factor)))
        }
        return pairs
    }

    /// Llama 3's scaling as llama.cpp stores it: one divisor a frequency. Nil where nothing is
    /// scaled.
    func rotaryDivisors() throws(FileError) -> [Float]? {
        switch configuration.rotaryType {
        case "default", "linear": return nil
        case "llama3": break
        case let type:
            throw configuration.fault("the rotary scaling \(type) is not written as GGUF")
        }
        let width = Double(try headWidth())
        let base = configuration.rotary("rope_theta") ?? 10_000
        guard let factor = configuration.rotary("factor"),
            let low = configuration.rotary("low_freq_factor"),
            let high = configuration.rotary("high_freq_factor"),
            let length = configuration.rotary("original_max_position_embeddings"), high > low
        else { throw configuration.fault("the parameters of the rotary scaling are not complete") }
        return stride(from: 0.0, to: width, by: 2).map { index in
            let wavelength = 2 * Double.pi * pow(base, index / width)
            if wavelength < length / high { return 1 }
            if wavelength > length / low { return Float(factor) }
            let smooth = (length / wavelength - low) / (high - low)
            return Float(1 / ((1 - smooth) / factor + smooth))
        }
    }
}

/// A config.json.
private struct Configuration {
    let json: JSONObject
    let path: String

    func fault(_ problem: String) -> FileError { FileError(path, problem) }

    func text(_ key: String) throws(FileError) -> String {
        guard let value = json[key]?.stringValue else { throw fault("has no text \"\(key)\"") }
        return value
    }

    func int(_ key: String) throws(FileError) -> Int {
        guard let value = json[key]?.intValue else { throw fault("has no integer \"\(key)\"") }
        return value
    }

    func double(_ key: String) throws(FileError) -> Double {
        guard let value = json[key]?.doubleValue else { throw fault("has no number \"\(key)\"") }
        return value
    }

    func bool(_ key: String) -> Bool { json[key]?.boolValue ?? false }

    /// Where the rotary embedding is described: `rope_parameters` since transformers 5,
    /// `rope_scaling` before; for models with two kinds of layers once for each.
    private var rotaryPlaces: [JSON] {
        ["rope_parameters", "rope_scaling"].compactMap { json[$0] }.map {
            $0["full_attention"] ?? $0
        }
    }

    func rotary(_ key: String) -> Double? {
        rotaryPlaces.lazy.compactMap { $0[key]?.doubleValue }.first ?? json[key]?.doubleValue
    }

    var rotaryType: String {
        rotaryPlaces.lazy.compactMap { ($0["rope_type"] ?? $0["type"])?.stringValue }.first
            ?? "default"
    }
}
