internal import ApusBase
internal import ApusFormats

/// Builds the config.json that HuggingFace would have for a GGUF file's model.
enum GGUFConfiguration {
    static let architectures = [
        "llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM",
    ]

    static func json(_ file: GGUFFile) throws(FileError) -> JSONObject {
        let architecture = try file.require("general.architecture", \.stringValue)
        guard let className = architectures[architecture] else {
            throw FileError(
                file.path,
                "holds a model of architecture \(architecture), which Apus does not read",
                remedy: "it reads \(architectures.keys.sorted().joined(separator: ", "))")
        }
        let reader = MetadataReader(file: file, prefix: architecture)
        guard let table = file.entry("token_embd.weight"), table.shape.count == 2 else {
            throw FileError(file.path, "has no matrix token_embd.weight")
        }
        guard try reader.int("expert_count", default: 0) == 0 else {
            throw FileError(
                file.path, "holds a mixture of experts, which Apus does not read from GGUF",
                remedy: "use the model's HuggingFace folder")
        }
        var json: JSONObject = ["architectures": [.string(className)]]
        json["model_type"] = .string(architecture)
        json["vocab_size"] = .integer(table.shape[0])
        try sizes(reader, into: &json)
        json["hidden_act"] = "silu"
        json["tie_word_embeddings"] = .bool(file.entry("output.weight") == nil)
        if architecture == "llama" {
            json["attention_bias"] = .bool(file.entry("blk.0.attn_q.bias") != nil)
            json["mlp_bias"] = .bool(file.entry("blk.0.ffn_up.bias") != nil)
        }
        json["rope_parameters"] = .object(try rotary(reader, json))
        json["dtype"] = "float32"
        for (key, name) in [
            ("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding"),
        ] {
            json[key] = file["tokenizer.ggml.\(name)_token_id"]?.intValue.map { .integer($0) }
        }
        return json
    }

    private static func sizes(_ reader: MetadataReader, into json: inout JSONObject)
        throws(FileError)
    {
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
        // Stored as fp32: 1e-05 reads 9.999999747378752e-06, which is not what a config.json says.
        let epsilon = try reader.double("attention.layer_norm_rms_epsilon")
        json["rms_norm_eps"] = .number(Double(Float(epsilon).description) ?? epsilon)
    }

    private static func rotary(
        _ reader: MetadataReader, _ json: JSONObject
    ) throws(FileError) -> JSONObject {
        let theta = try reader.double("rope.freq_base", default: 10_000)
        var rotary: JSONObject = ["rope_theta": .number(theta), "rope_type": "default"]
        let kind = reader.file["\(reader.prefix).rope.scaling.type"]?.stringValue ?? "none"
        if kind != "none" {
            rotary["rope_type"] = .string(kind)
            rotary["factor"] = .number(try reader.double("rope.scaling.factor", default: 1))
            if let trained = reader.file["\(reader.prefix).rope.scaling.original_context_length"]?
                .intValue
            {
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
        _ reader: MetadataReader, width: Int, theta: Double
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

    private static func unknownRotary(_ reader: MetadataReader) -> FileError {
        FileError(
            reader.file.path, "rope_freqs.weight is no rotary scaling that Apus knows",
            remedy: "use the model's HuggingFace folder")
    }
}

/// `llama.block_count` and the like.
private struct MetadataReader {
    let file: GGUFFile
    let prefix: String

    func int(_ key: String, default fallback: Int? = nil) throws(FileError) -> Int {
        if let fallback, file["\(prefix).\(key)"] == nil { return fallback }
        return try file.require("\(prefix).\(key)", \.intValue)
    }

    func double(_ key: String, default fallback: Double? = nil) throws(FileError) -> Double {
        if let fallback, file["\(prefix).\(key)"] == nil { return fallback }
        return try file.require("\(prefix).\(key)", \.doubleValue)
    }
}
