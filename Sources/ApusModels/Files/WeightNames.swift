internal import ApusBase
internal import ApusFormats

/// Where a parameter's values stand in a file.
struct WeightLocation {
    var entry: TensorEntry
    /// Rows of each head whose pairs stand side by side in the file and half a head apart in the
    /// model; nil: as they are.
    var interleavedHeadRows: Int?
}

/// Translates a model's parameter names to a file's.
protocol WeightNames {
    func location(of parameter: String, in source: any TensorSource) -> WeightLocation?
    /// Tensors that belong to the file's kind without being parameters.
    func isExpectedExtra(_ name: String) -> Bool
}

/// HuggingFace's names: the model's own, with or without the outermost prefix.
struct HuggingFaceNames: WeightNames {
    private static let buffers = [
        "rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
        ".attention.masked_bias", "embeddings.position_ids",
    ]
    static let prefixes = [
        "model.", "transformer.", "gpt_neox.", "bert.", "roberta.", "distilbert.",
    ]

    func location(of parameter: String, in source: any TensorSource) -> WeightLocation? {
        if let entry = source.entry(parameter) { return WeightLocation(entry: entry) }
        for prefix in Self.prefixes where parameter.hasPrefix(prefix) {
            let short = String(parameter.dropFirst(prefix.count))
            if let entry = source.entry(short) { return WeightLocation(entry: entry) }
        }
        return oldNorm(parameter).flatMap { location(of: $0, in: source) }
    }

    /// The first BERT files call the parts of a norm `gamma` and `beta`.
    private func oldNorm(_ parameter: String) -> String? {
        let names = ["LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"]
        return names.first { parameter.hasSuffix($0.key) }
            .map { parameter.dropLast($0.key.count) + $0.value }
    }

    /// Buffers that old files carry, and the second name of a tied head.
    func isExpectedExtra(_ name: String) -> Bool {
        Self.buffers.contains { name.hasSuffix($0) } || name == "lm_head.weight"
    }
}

/// Other names, with layers that are read from others' places.
struct ReplicatedLayers: WeightNames {
    let names: any WeightNames
    /// For each layer the one in the file.
    let layers: [Int]

    private static let prefix = "model.layers."

    func location(of parameter: String, in source: any TensorSource) -> WeightLocation? {
        guard parameter.hasPrefix(Self.prefix) else {
            return names.location(of: parameter, in: source)
        }
        let rest = parameter.dropFirst(Self.prefix.count)
        guard let end = rest.firstIndex(of: "."), let layer = Int(rest[..<end]),
            layers.indices.contains(layer)
        else { return nil }
        return names.location(of: "\(Self.prefix)\(layers[layer])\(rest[end...])", in: source)
    }

    func isExpectedExtra(_ name: String) -> Bool { names.isExpectedExtra(name) }
}

/// Other names, with the embedding where the head is missing: files of models that share both hold
/// one of them.
struct FallbackHead: WeightNames {
    let names: any WeightNames

    static let modules = LoRAPlan.heads
    static let embeddingModules = ["model.embed_tokens", "transformer.wte", "gpt_neox.embed_in"]

    func location(of parameter: String, in source: any TensorSource) -> WeightLocation? {
        if let location = names.location(of: parameter, in: source) { return location }
        guard Self.modules.contains(where: { parameter == "\($0).weight" }) else { return nil }
        return Self.embeddingModules.lazy
            .compactMap { names.location(of: "\($0).weight", in: source) }.first
    }

    func isExpectedExtra(_ name: String) -> Bool { names.isExpectedExtra(name) }
}

/// llama.cpp's names: `blk.3.attn_q.weight` is `model.layers.3.self_attn.q_proj.weight`.
struct GGUFNames: WeightNames {
    let architecture: String
    let headWidth: Int

    private static let outer = [
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    ]
    private static let inner = [
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    ]

    func location(of parameter: String, in source: any TensorSource) -> WeightLocation? {
        guard let name = fileName(parameter), let entry = source.entry(name) else { return nil }
        // Only the llama architecture rotates neighbouring rows; the others are stored as
        // HuggingFace has them.
        let isRotated = name.contains(".attn_q.") || name.contains(".attn_k.")
        let interleaved = architecture == "llama" && isRotated
        return WeightLocation(entry: entry, interleavedHeadRows: interleaved ? headWidth : nil)
    }

    func isExpectedExtra(_ name: String) -> Bool { name == "rope_freqs.weight" }

    private func fileName(_ parameter: String) -> String? {
        guard let dot = parameter.lastIndex(of: ".") else { return nil }
        let (module, kind) = (String(parameter[..<dot]), parameter[dot...])
        if let outer = Self.outer[module] { return outer + kind }
        let layers = "model.layers."
        guard module.hasPrefix(layers) else { return nil }
        let parts = module.dropFirst(layers.count).split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let inner = Self.inner[String(parts[1])] else { return nil }
        return "blk.\(parts[0]).\(inner)\(kind)"
    }
}
