internal import ApusBase
internal import ApusFormats

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
    let naming: GGUFNaming

    func location(of parameter: String, in source: any TensorSource) -> WeightLocation? {
        guard let place = naming.place(of: parameter), let entry = source.entry(place.tensor)
        else { return nil }
        if let expert = place.expert, expert >= entry.shape.first ?? 0 { return nil }
        return WeightLocation(entry: entry, place: place)
    }

    func isExpectedExtra(_ name: String) -> Bool {
        name == "rope_freqs.weight" || name.hasPrefix("rope_factors_")
    }
}
