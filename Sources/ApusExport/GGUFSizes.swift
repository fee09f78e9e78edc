internal import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The sizes and settings of a model, family by family, as llama.cpp's files say them.
struct GGUFSizes {
    private(set) var pairs: [(key: String, value: GGUFValue)] = []
    private(set) var divisors: [(name: String, values: [Float])] = []
    private(set) var remarks: [String] = []
    private let configuration: ModelConfiguration
    private let prefix: String
    private let headWidth: Int

    init(_ configuration: ModelConfiguration, prefix: String, headWidth: Int) {
        self.configuration = configuration
        self.prefix = prefix
        self.headWidth = headWidth
    }

    mutating func add(modelType type: String) throws(FileError) {
        switch type {
        case "gpt2": try addGPT2()
        case "gpt_neox": try addNeoX()
        default: try addLlamaKind()
        }
        switch type {
        case "mixtral", "qwen3_moe": try addExperts(type)
        case "gemma2", "gemma3_text": try addGemma(isThird: type == "gemma3_text")
        case "phi3": try addPhi3()
        case "smollm3": try checkRotatedLayers()
        default: break
        }
        if ["mistral", "mixtral", "phi3"].contains(type),
            let window = configuration.value("sliding_window")?.intValue
        {
            remarks.append(
                "llama.cpp computes this kind of model without its window of \(window) tokens: "
                    + "longer texts give other results")
        }
    }

    private mutating func set(_ key: String, _ value: GGUFValue) {
        pairs.append(("\(prefix).\(key)", value))
    }

    private mutating func set(_ key: String, _ value: Int) throws(FileError) {
        guard let number = UInt32(exactly: value) else {
            throw configuration.fault("\(key) is \(value)")
        }
        set(key, .uint32(number))
    }

    private mutating func set(_ key: String, _ value: Double) {
        set(key, .float32(Float(value)))
    }

    private mutating func set(_ key: String, from source: String) throws(FileError) {
        try set(key, try configuration.int(source))
    }
}

// MARK: - Families

extension GGUFSizes {
    private mutating func addLlamaKind() throws(FileError) {
        let heads = try configuration.int("num_attention_heads")
        try set("block_count", from: "num_hidden_layers")
        try set("context_length", from: "max_position_embeddings")
        try set("embedding_length", from: "hidden_size")
        try set("feed_forward_length", from: "intermediate_size")
        try set("attention.head_count", heads)
        try set(
            "attention.head_count_kv", try configuration.int("num_key_value_heads", default: heads))
        set("attention.layer_norm_rms_epsilon", try configuration.double("rms_norm_eps"))
        try set("attention.key_length", headWidth)
        try set("attention.value_length", headWidth)
        try set("rope.dimension_count", rotatedWidth(usually: 1))
        try set("vocab_size", from: "vocab_size")
        set("rope.freq_base", configuration.rotary("rope_theta") ?? 10_000)
        try addScaling()
    }

    /// Components of a head that are rotated.
    private func rotatedWidth(usually part: Double) -> Int {
        Int(Double(headWidth) * (configuration.rotary("partial_rotary_factor") ?? part))
    }

    private mutating func addGPT2() throws(FileError) {
        let width = try configuration.int("n_embd")
        try set("block_count", from: "n_layer")
        try set("context_length", from: "n_positions")
        try set("embedding_length", width)
        try set("feed_forward_length", try configuration.int("n_inner", default: 4 * width))
        try set("attention.head_count", from: "n_head")
        set("attention.layer_norm_epsilon", try configuration.double("layer_norm_epsilon"))
        try set("vocab_size", from: "vocab_size")
        try checkGELU("activation_function")
        guard configuration.bool("scale_attn_weights", default: true) else {
            throw configuration.unsupported("scale_attn_weights", allowed: "true")
        }
        guard !configuration.bool("scale_attn_by_inverse_layer_idx") else {
            throw configuration.unsupported("scale_attn_by_inverse_layer_idx", allowed: "false")
        }
    }

    private mutating func addNeoX() throws(FileError) {
        try set("block_count", from: "num_hidden_layers")
        try set("context_length", from: "max_position_embeddings")
        try set("embedding_length", from: "hidden_size")
        try set("feed_forward_length", from: "intermediate_size")
        try set("attention.head_count", from: "num_attention_heads")
        set("attention.layer_norm_epsilon", try configuration.double("layer_norm_eps"))
        let part = try configuration.double("rotary_pct", default: 0.25)
        try set("rope.dimension_count", rotatedWidth(usually: part))
        let theta = try configuration.double("rotary_emb_base", default: 10_000)
        set("rope.freq_base", configuration.rotary("rope_theta") ?? theta)
        set(
            "use_parallel_residual",
            .bool(configuration.bool("use_parallel_residual", default: true)))
        try set("vocab_size", from: "vocab_size")
        try checkGELU("hidden_act")
        guard configuration.bool("attention_bias", default: true) else {
            throw configuration.unsupported("attention_bias", allowed: "true")
        }
        try addScaling()
    }

    private func checkGELU(_ key: String) throws(FileError) {
        let name = configuration.value(key)?.stringValue ?? "gelu"
        guard name.hasPrefix("gelu") else {
            throw configuration.unsupported(key, allowed: "gelu")
        }
    }

    private mutating func addExperts(_ type: String) throws(FileError) {
        let count = configuration.value("num_experts") == nil ? "num_local_experts" : "num_experts"
        try set("expert_count", from: count)
        try set("expert_used_count", from: "num_experts_per_tok")
        guard type == "qwen3_moe" else { return }
        try set("expert_feed_forward_length", from: "moe_intermediate_size")
        guard configuration.bool("norm_topk_prob") else {
            throw configuration.unsupported("norm_topk_prob", allowed: "true")
        }
        guard configuration.value("mlp_only_layers")?.arrayValue?.isEmpty ?? true else {
            throw configuration.unsupported("mlp_only_layers", allowed: "no such layers")
        }
        guard try configuration.int("decoder_sparse_step", default: 1) == 1 else {
            throw configuration.unsupported("decoder_sparse_step", allowed: "1")
        }
    }

    /// llama.cpp leaves every fourth layer without rotation, whatever the file says.
    private func checkRotatedLayers() throws(FileError) {
        let layers = try configuration.int("num_hidden_layers")
        let usual = (0..<layers).map { ($0 + 1).isMultiple(of: 4) ? 0 : 1 }
        if let list = configuration.value("no_rope_layers")?.arrayValue {
            guard list.map(\.intValue) == usual else {
                throw configuration.unsupported("no_rope_layers", allowed: "a 0 for every fourth")
            }
        } else if try configuration.int("no_rope_layer_interval", default: 4) != 4 {
            throw configuration.unsupported("no_rope_layer_interval", allowed: "4")
        }
    }

    private mutating func addGemma(isThird: Bool) throws(FileError) {
        let layers = try configuration.int("num_hidden_layers")
        // The largest of each scale by another width, and llama.cpp knows them by their layers.
        let isLargest = layers == (isThird ? 62 : 46)
        let width = try configuration.int("hidden_size")
        let heads = try configuration.int("num_attention_heads")
        let scale = isLargest ? width / max(heads, 1) : headWidth
        guard try configuration.double("query_pre_attn_scalar", default: 256) == Double(scale)
        else { throw configuration.unsupported("query_pre_attn_scalar", allowed: "\(scale)") }
        for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
            if let cap = configuration.value(key)?.doubleValue { set(key, cap) }
        }
        if isThird, configuration.value("attn_logit_softcapping") != nil {
            throw configuration.unsupported("attn_logit_softcapping", allowed: "null")
        }
        guard let window = configuration.value("sliding_window")?.intValue else { return }
        try set("attention.sliding_window", window)
        try addWindowedLayers(layers, usualPattern: isThird ? 6 : 2)
        guard isThird else { return }
        let near = configuration.value("rope_parameters")?["sliding_attention"]?["rope_theta"]
        let theta = try configuration.double("rope_local_base_freq", default: 10_000)
        set("rope.freq_base_swa", near?.doubleValue ?? theta)
    }

    /// Which layers have the window, where it is not as usual.
    private mutating func addWindowedLayers(
        _ layers: Int, usualPattern: Int
    ) throws(FileError) {
        func flags(_ pattern: Int) -> [Bool] {
            (0..<layers).map { !($0 + 1).isMultiple(of: max(pattern, 1)) }
        }
        let own = try configuration.int("sliding_window_pattern", default: usualPattern)
        let named = configuration.value("layer_types")?.arrayValue?.map {
            $0.stringValue == "sliding_attention"
        }
        let windowed = named ?? flags(own)
        guard windowed.count == layers else {
            throw configuration.fault("layer_types names \(windowed.count) of \(layers) layers")
        }
        if windowed == flags(usualPattern) { return }
        set("attention.sliding_window_pattern", .array(.bool(windowed)))
    }

    private mutating func addPhi3() throws(FileError) {
        let length = try configuration.int("max_position_embeddings")
        let trained =
            configuration.rotaryValue("original_max_position_embeddings")?.intValue ?? length
        try set("rope.scaling.original_context_length", trained)
        try set("attention.sliding_window", try configuration.int("sliding_window", default: 0))
    }
}

// MARK: - Rotary scaling

extension GGUFSizes {
    private mutating func addScaling() throws(FileError) {
        let type = configuration.rotaryType
        switch (type, prefix) {
        case ("default", _): break
        case ("linear", _):
            guard let factor = configuration.rotary("factor") else { throw incomplete(type) }
            set("rope.scaling.type", .string("linear"))
            set("rope.scaling.factor", factor)
        case ("yarn", _): try addYaRN()
        case ("llama3", "llama"):
            divisors.append(("rope_freqs.weight", try llama3Divisors()))
        case ("longrope", "phi3"), ("su", "phi3"): try addLongRoPE()
        default:
            throw configuration.fault(
                "the rotary scaling \(type) of such models is not known to llama.cpp")
        }
    }

    private func incomplete(_ type: String) -> FileError {
        configuration.fault("the parameters of the rotary scaling \(type) are not complete")
    }

    private mutating func addYaRN() throws(FileError) {
        guard let factor = configuration.rotary("factor"),
            let trained = configuration.rotaryValue("original_max_position_embeddings")?.intValue
        else { throw incomplete("yarn") }
        for (key, usual) in [("beta_fast", 32.0), ("beta_slow", 1)] {
            guard configuration.rotary(key) ?? usual == usual else {
                throw configuration.fault("\(key) of yarn is not \(usual)")
            }
        }
        for key in ["attention_factor", "mscale", "mscale_all_dim", "truncate"] {
            guard configuration.rotaryValue(key) == nil else {
                throw configuration.fault("\(key) of yarn is not written as GGUF")
            }
        }
        set("rope.scaling.type", .string("yarn"))
        set("rope.scaling.factor", factor)
        try set("rope.scaling.original_context_length", trained)
    }

    private mutating func addLongRoPE() throws(FileError) {
        let length = try configuration.int("max_position_embeddings")
        guard
            let trained = configuration.rotaryValue("original_max_position_embeddings")?.intValue,
            trained > 1
        else { throw incomplete("longrope") }
        for kind in ["long", "short"] {
            let numbers = configuration.rotaryValue("\(kind)_factor")?.arrayValue ?? []
            let values = numbers.compactMap(\.doubleValue).map { Float($0) }
            guard values.count == numbers.count, values.count == rotatedWidth(usually: 1) / 2
            else { throw incomplete("longrope") }
            divisors.append(("rope_factors_\(kind).weight", values))
        }
        let stretch = configuration.rotary("factor") ?? Double(length) / Double(trained)
        let growth = stretch > 1 ? log(stretch) / log(Double(trained)) : 0
        set("rope.scaling.type", .string("longrope"))
        set(
            "rope.scaling.attn_factor",
            configuration.rotary("attention_factor") ?? (1 + growth).squareRoot())
    }

    /// Llama 3's scaling as llama.cpp stores it: one divisor a frequency.
    private func llama3Divisors() throws(FileError) -> [Float] {
        let width = Double(headWidth)
        let base = configuration.rotary("rope_theta") ?? 10_000
        guard let factor = configuration.rotary("factor"),
            let low = configuration.rotary("low_freq_factor"),
            let high = configuration.rotary("high_freq_factor"),
            let length = configuration.rotary("original_max_position_embeddings"), high > low
        else { throw incomplete("llama3") }
        return stride(from: 0.0, to: width, by: 2).map { index in
            let wavelength = 2 * Double.pi * pow(base, index / width)
            if wavelength < length / high { return 1 }
            if wavelength > length / low { return Float(factor) }
            let smooth = (length / wavelength - low) / (high - low)
            return Float(1 / ((1 - smooth) / factor + smooth))
        }
    }
}
