internal import ApusBase
internal import ApusFormats

/// What single families say in their own words.
extension GGUFConfiguration {
    static func gpt2(_ reader: GGUFMetadata) throws(FileError) -> JSONObject {
        [
            "n_embd": .integer(try reader.int("embedding_length")),
            "n_inner": .integer(try reader.int("feed_forward_length")),
            "n_layer": .integer(try reader.int("block_count")),
            "n_head": .integer(try reader.int("attention.head_count")),
            "n_positions": .integer(try reader.int("context_length")),
            "layer_norm_epsilon": .number(try reader.double("attention.layer_norm_epsilon")),
            "activation_function": "gelu_new",
        ]
    }

    static func neox(_ reader: GGUFMetadata) throws(FileError) -> JSONObject {
        let (width, heads) = (
            try reader.int("embedding_length"), try reader.int("attention.head_count")
        )
        guard width > 0, heads > 0 else {
            throw FileError(reader.file.path, "\(heads) heads for a width of \(width)")
        }
        let part = Double(try reader.int("rope.dimension_count")) / Double(width / heads)
        let rotary: JSONObject = [
            "rope_type": "default", "partial_rotary_factor": .number(part),
            "rope_theta": .number(try reader.double("rope.freq_base", default: 10_000)),
        ]
        return [
            "hidden_size": .integer(width), "num_attention_heads": .integer(heads),
            "intermediate_size": .integer(try reader.int("feed_forward_length")),
            "num_hidden_layers": .integer(try reader.int("block_count")),
            "max_position_embeddings": .integer(try reader.int("context_length")),
            "layer_norm_eps": .number(try reader.double("attention.layer_norm_epsilon")),
            "use_parallel_residual": .bool(reader["use_parallel_residual"]?.boolValue ?? true),
            "attention_bias": .bool(reader.file.entry("blk.0.attn_qkv.bias") != nil),
            "hidden_act": "gelu", "rope_parameters": .object(rotary),
        ]
    }

    static func experts(
        _ reader: GGUFMetadata, _ type: String, into json: inout JSONObject
    ) throws(FileError) {
        json["num_local_experts"] = .integer(try reader.int("expert_count"))
        json["num_experts_per_tok"] = .integer(try reader.int("expert_used_count"))
        guard type == "qwen3_moe" else { return }
        json["num_experts"] = json["num_local_experts"]
        json["moe_intermediate_size"] = .integer(try reader.int("expert_feed_forward_length"))
        json["norm_topk_prob"] = true
    }

    static func phi3(_ reader: GGUFMetadata, into json: inout JSONObject) throws(FileError) {
        let width = max(json["head_dim"]?.intValue ?? 0, 1)
        let rotated = try reader.int("rope.dimension_count", default: width)
        var rotary = json["rope_parameters"]?.objectValue ?? [:]
        if rotated != width {
            rotary["partial_rotary_factor"] = .number(Double(rotated) / Double(width))
        }
        let (long, short) = ("rope_factors_long.weight", "rope_factors_short.weight")
        if reader.file.entry(long) != nil {
            rotary["rope_type"] = "longrope"
            for (key, name) in [("long_factor", long), ("short_factor", short)] {
                rotary[key] = .array(try reader.file.floats(name).map { .number(Double($0)) })
            }
            rotary["attention_factor"] = .number(
                try reader.double("rope.scaling.attn_factor", default: 1))
        }
        let trained = try reader.int(
            "rope.scaling.original_context_length", default: try reader.int("context_length"))
        if rotary["rope_type"] != "default" {
            rotary["original_max_position_embeddings"] = .integer(trained)
        }
        json["original_max_position_embeddings"] = .integer(trained)
        json["rope_parameters"] = .object(rotary)
        let window = try reader.int("attention.sliding_window", default: 0)
        json["sliding_window"] = window > 0 ? .integer(window) : .null
    }

    static func gemma(
        _ reader: GGUFMetadata, _ type: String, into json: inout JSONObject
    ) throws(FileError) {
        let isThird = type == "gemma3_text"
        let layers = try reader.int("block_count")
        json["hidden_act"] = nil
        json["hidden_activation"] = "gelu_pytorch_tanh"
        // llama.cpp knows the largest of each by its layers: they scale by another width.
        let (width, heads) = (json["hidden_size"]?.intValue ?? 0, json["num_attention_heads"])
        let isLargest = layers == (isThird ? 62 : 46)
        json["query_pre_attn_scalar"] =
            isLargest ? .integer(width / max(heads?.intValue ?? 1, 1)) : json["head_dim"]
        let caps = [("attn_logit_softcapping", 50.0), ("final_logit_softcapping", 30.0)]
        for (key, usual) in caps {
            json[key] = isThird ? .null : .number(try reader.double(key, default: usual))
            if reader[key] != nil { json[key] = .number(try reader.double(key)) }
        }
        let window = try reader.int("attention.sliding_window", default: isThird ? 0 : 4096)
        json["sliding_window"] = window > 0 ? .integer(window) : .null
        guard window > 0, layers > 0, layers <= ConfigurationReader.Limit.layers else { return }
        json["layer_types"] = .array(
            try windowed(reader, layers: layers, usualPattern: isThird ? 6 : 2)
                .map { $0 ? "sliding_attention" : "full_attention" })
        guard isThird else { return }
        let near: JSONObject = [
            "rope_type": "default",
            "rope_theta": .number(try reader.double("rope.freq_base_swa", default: 10_000)),
        ]
        json["rope_parameters"] = [
            "full_attention": json["rope_parameters"] ?? .null, "sliding_attention": .object(near),
        ]
    }

    /// Which layers have a window: a flag for each, or the number of layers of which the last has
    /// none.
    private static func windowed(
        _ reader: GGUFMetadata, layers: Int, usualPattern: Int
    ) throws(FileError) -> [Bool] {
        let key = "attention.sliding_window_pattern"
        if case .array(.bool(let flags)) = reader[key] {
            guard flags.count == layers else {
                throw FileError(
                    reader.file.path, "\(key) has \(flags.count) flags for \(layers) layers")
            }
            return flags
        }
        let pattern = try reader.int(key, default: usualPattern)
        guard pattern > 0 else { throw FileError(reader.file.path, "\(key) is \(pattern)") }
        return (0..<layers).map { !($0 + 1).isMultiple(of: pattern) }
    }
}
