internal import ApusBase
internal import ApusFormats

/// Builds the config.json that HuggingFace would have for a GGUF file's model.
enum GGUFConfiguration {
    private struct Kind {
        let modelType: String
        let className: String

        init(_ modelType: String, _ name: String, head: String = "ForCausalLM") {
            self.modelType = modelType
            className = name + head
        }
    }

    /// By `general.architecture`.
    private static let kinds = [
        "llama": Kind("llama", "Llama"), "smollm3": Kind("smollm3", "SmolLM3"),
        "qwen2": Kind("qwen2", "Qwen2"), "qwen3": Kind("qwen3", "Qwen3"),
        "qwen3moe": Kind("qwen3_moe", "Qwen3Moe"), "phi3": Kind("phi3", "Phi3"),
        "olmo2": Kind("olmo2", "Olmo2"), "gemma2": Kind("gemma2", "Gemma2"),
        "gemma3": Kind("gemma3_text", "Gemma3"), "gptneox": Kind("gpt_neox", "GPTNeoX"),
        "gpt2": Kind("gpt2", "GPT2", head: "LMHeadModel"),
    ]

    static func json(_ file: GGUFFile) throws(FileError) -> JSONObject {
        let architecture = try file.require("general.architecture", \.stringValue)
        guard var kind = kinds[architecture] else {
            throw FileError(
                file.path,
                "holds a model of architecture \(architecture), which Apus does not read",
                remedy: "it reads \(kinds.keys.sorted().joined(separator: ", "))")
        }
        let reader = GGUFMetadata(file: file, prefix: architecture)
        guard let table = file.entry("token_embd.weight"), table.shape.count == 2 else {
            throw FileError(file.path, "has no matrix token_embd.weight")
        }
        if architecture == "llama", try reader.int("expert_count", default: 0) > 0 {
            kind = Kind("mixtral", "Mixtral")
        }
        var json: JSONObject = ["architectures": [.string(kind.className)]]
        json["model_type"] = .string(kind.modelType)
        json["vocab_size"] = .integer(table.shape[0])
        json["tie_word_embeddings"] = .bool(file.entry("output.weight") == nil)
        let parts =
            switch kind.modelType {
            case "gpt2": try gpt2(reader)
            case "gpt_neox": try neox(reader)
            default: try llamaKind(reader, kind.modelType)
            }
        for (key, value) in parts.members { json[key] = value }
        json["dtype"] = "float32"
        for (key, name) in [
            ("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding"),
        ] {
            json[key] = file["tokenizer.ggml.\(name)_token_id"]?.intValue.map { .integer($0) }
        }
        return json
    }

    /// How the file of such a model names its tensors.
    static func naming(_ json: JSONObject, path: String) throws(FileError) -> GGUFNaming {
        let heads = (json["num_attention_heads"] ?? json["n_head"])?.intValue ?? 0
        let width = (json["hidden_size"] ?? json["n_embd"])?.intValue ?? 0
        let type = json["model_type"]?.stringValue ?? ""
        guard heads > 0,
            let naming = GGUFNaming(
                modelType: type, headCount: heads,
                headWidth: json["head_dim"]?.intValue ?? width / heads)
        else { throw FileError(path, "models of type \(type) are not read from GGUF") }
        return naming
    }

    /// The Llama kind, in the words that its families share and those that each has alone.
    private static func llamaKind(
        _ reader: GGUFMetadata, _ type: String
    ) throws(FileError) -> JSONObject {
        var json = try sizes(reader)
        json["hidden_act"] = "silu"
        if reader.file.entry("blk.0.attn_q.bias") != nil, type != "qwen2" {
            json["attention_bias"] = true
        }
        if reader.file.entry("blk.0.ffn_up.bias") != nil { json["mlp_bias"] = true }
        json["rope_parameters"] = .object(try rotary(reader, json))
        switch type {
        case "mixtral", "qwen3_moe": try experts(reader, type, into: &json)
        case "phi3": try phi3(reader, into: &json)
        case "gemma2", "gemma3_text": try gemma(reader, type, into: &json)
        default: break
        }
        return json
    }

    private static func sizes(_ reader: GGUFMetadata) throws(FileError) -> JSONObject {
        var json: JSONObject = [:]
        let width = try reader.int("embedding_length")
        let heads = try reader.int("attention.head_count")
        guard heads > 0, width > 0 else {
            throw FileError(reader.file.path, "\(heads) heads for a width of \(width)")
        }
        json["hidden_size"] = .integer(width)
        json["intermediate_size"] = .integer(try reader.int("feed_forward_length"))
        json["num_hidden_layers"] = .integer(try reader.int("block_count"))
        json["num_attention_heads"] = .integer(heads)
        json["num_key_value_heads"] = .integer(
            try reader.int("attention.head_count_kv", default: heads))
        json["head_dim"] = .integer(try reader.int("attention.key_length", default: width / heads))
        json["max_position_embeddings"] = .integer(try reader.int("context_length"))
        json["rms_norm_eps"] = .number(try reader.double("attention.layer_norm_rms_epsilon"))
        return json
    }

    private static func rotary(
        _ reader: GGUFMetadata, _ json: JSONObject
    ) throws(FileError) -> JSONObject {
        let theta = try reader.double("rope.freq_base", default: 10_000)
        var rotary: JSONObject = ["rope_theta": .number(theta), "rope_type": "default"]
        let kind = reader["rope.scaling.type"]?.stringValue ?? "none"
        // LongRoPE is told by its tensors.
        if kind != "none", kind != "longrope" {
            rotary["rope_type"] = .string(kind)
            rotary["factor"] = .number(try reader.double("rope.scaling.factor", default: 1))
            if let trained = reader["rope.scaling.original_context_length"]?.intValue {
                rotary["original_max_position_embeddings"] = .integer(trained)
            }
        }
        if reader.file.entry("rope_freqs.weight") != nil {
            let width = json["head_dim"]?.intValue ?? 0
            for (key, value) in try llama3(reader, width: width, theta: theta).members {
                rotary[key] = value
            }
        }
        return rotary
    }

    /// llama.cpp stores Llama 3's scaling as its result, one divisor a frequency. The parameters
    /// are found again by comparing with those that published models use.
    private static func llama3(
        _ reader: GGUFMetadata, width: Int, theta: Double
    ) throws(FileError) -> JSONObject {
        let divisors = try reader.file.floats("rope_freqs.weight")
        // Before frequencies are computed: the width is the file's word alone.
        guard divisors.count == width / 2, theta > 1 else { throw unknownRotary(reader) }
        for factor in [8.0, 32, 4, 16, 64] {
            var rotary = RotaryConfiguration(width: width, theta: theta)
            let plain = rotary.frequencies(length: 1)
            rotary.scaling = .llama3(
                factor: factor, lowFrequency: 1, highFrequency: 4, trainedLength: 8192)
            let scaled = rotary.frequencies(length: 1)
            let fits = divisors.indices.allSatisfy { index in
                let expected = plain[index] / scaled[index]
                return abs(Double(divisors[index]) - expected) <= 1e-3 * expected
            }
            guard fits else { continue }
            return [
                "rope_type": "llama3", "factor": .number(factor), "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
            ]
        }
        throw unknownRotary(reader)
    }

    private static func unknownRotary(_ reader: GGUFMetadata) -> FileError {
        FileError(
            reader.file.path, "rope_freqs.weight is no rotary scaling that Apus knows",
            remedy: "use the model's HuggingFace folder")
    }
}

/// `llama.block_count` and the like.
struct GGUFMetadata {
    let file: GGUFFile
    let prefix: String

    subscript(key: String) -> GGUFValue? { file["\(prefix).\(key)"] }

    func int(_ key: String, default fallback: Int? = nil) throws(FileError) -> Int {
        if let fallback, self[key] == nil { return fallback }
        return try file.require("\(prefix).\(key)", \.intValue)
    }

    /// Stored as fp32: 1e-05 reads 9.999999747378752e-06, which is not what a config.json says.
    func double(_ key: String, default fallback: Double? = nil) throws(FileError) -> Double {
        if let fallback, self[key] == nil { return fallback }
        let value = try file.require("\(prefix).\(key)", \.doubleValue)
        return Double(Float(value).description) ?? value
    }
}
