internal import ApusBase
public import ApusNN
public import ApusTensor

/// What the decoders of the Llama kind differ in: Llama 2 and 3, SmolLM2 and 3, Mistral, Qwen2 and
/// 3.
public struct LlamaConfiguration: Sendable, Hashable {
    public var vocabularySize: Int
    public var width: Int
    public var feedForwardWidth: Int
    public var layerCount: Int
    public var headCount: Int
    /// Fewer than heads: groups of heads share keys and values (Ainslie et al.: "GQA", 2023).
    public var keyValueHeadCount: Int
    public var headWidth: Int
    public var normEpsilon: Double
    public var rotary: RotaryConfiguration
    public var maximumLength: Int
    public var tiesEmbeddings: Bool
    public var queryKeyValueBias = false
    public var outputBias = false
    public var feedForwardBias = false
    /// Qwen3: queries and keys are normalised per head before they are rotated.
    public var normalizesQueriesAndKeys = false
    /// How far back a layer's queries see; nil: all the way.
    public var windows: [Int?]
    /// SmolLM3: layers in which positions do not enter (Yang et al.: "Rope to Nope", 2025).
    public var layersWithoutRotation: Set<Int> = []
    public var initializerDeviation = 0.02
}

/// A decoder-only transformer with RMSNorm, rotary positions, grouped-query attention and SwiGLU.
///
/// Source: Touvron et al.: "LLaMA" (2023), 2.2.
public final class Llama: LanguageModel {
    public let configuration: LlamaConfiguration
    public let store: ParameterStore
    private let embedding: Embedding
    private let embeddingUnit: Unit
    private let blocks: [LlamaBlock]
    private let units: [Unit]
    private let lastUnit: Unit
    private let norm: RMSNorm
    private let output: OutputHead

    /// Declares the parameters; an engine, or the store, gives them memory afterwards.
    ///
    /// - hasHead: false where another head stands on the hidden states
    public init(
        _ configuration: LlamaConfiguration, store: ParameterStore = ParameterStore(),
        hasHead: Bool = true
    ) {
        self.configuration = configuration
        self.store = store
        let initializer = Initializer.normal(standardDeviation: configuration.initializerDeviation)
        let shape = (configuration.vocabularySize, configuration.width)
        let model = store.root["model"]
        let first = model["embed_tokens"].asUnit()
        embeddingUnit = first.unit
        embedding = Embedding(shape.0, shape.1, initializer: initializer, in: first)
        let scopes = (0..<configuration.layerCount).map { model["layers"][$0].asUnit() }
        blocks = scopes.enumerated().map { LlamaBlock(configuration, layer: $0, in: $1) }
        units = scopes.map(\.unit)
        let last = store.root["lm_head"].asUnit()
        lastUnit = last.unit
        norm = RMSNorm(
            configuration.width, epsilon: configuration.normEpsilon,
            in: model["norm"].inUnit(of: last))
        output =
            hasHead
            ? OutputHead(
                embedding, isTied: configuration.tiesEmbeddings, initializer: initializer, in: last)
            : OutputHead(embedding)
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var width: Int { configuration.width }
    public var layerCount: Int { configuration.layerCount }
    public var positionLimit: Int? { nil }
    public var head: Tensor { output.weight.value }
    public var headUnits: [Unit] { output.units }
    public func headOperands(_ hidden: Tensor) -> (hidden: Tensor, weight: Tensor) {
        output.operands(hidden)
    }

    public func hiddenStates(_ tokens: Tensor, _ context: SequenceContext) -> Tensor {
        store.isTraining = context.isTraining
        let length = tokens.size(1)
        var x = embeddingUnit.run([]) { _ in
            context.addingNoise(to: self.embedding(tokens))
        }
        let past = context.cache?.length ?? 0
        let tables = RotaryTables(
            configuration.rotary,
            positions: context.positions(length: length, device: tokens.device),
            longest: past + length, dtype: x.dtype)
        var masks: [Int?: AttentionMask] = [:]
        for (layer, block) in blocks.enumerated() {
            let window = configuration.windows[layer]
            let mask =
                masks[window]
                ?? AttentionMask(context, length: length, window: window, device: tokens.device)
            masks[window] = mask
            let isRotated = !configuration.layersWithoutRotation.contains(layer)
            let pass = LayerPass(
                tables: isRotated ? tables : nil, mask: mask, cache: context.cache,
                isTraining: context.isTraining)
            x = units[layer].run([x]) { block($0[0], pass) }
        }
        context.cache?.advance()
        return lastUnit.run([x]) { self.norm($0[0]) }
    }
}

/// `x + attention(norm(x))`, then `x + feedForward(norm(x))`.
struct LlamaBlock: DecoderBlock {
    private let inputNorm: RMSNorm
    private let attention: LlamaAttention
    private let feedForwardNorm: RMSNorm
    private let feedForward: LlamaFeedForward

    init(_ c: LlamaConfiguration, layer: Int, in scope: Scope) {
        // In the order of transformers, by which files are cut.
        attention = LlamaAttention(c, layer: layer, in: scope["self_attn"])
        feedForward = LlamaFeedForward(c, in: scope["mlp"])
        inputNorm = RMSNorm(c.width, epsilon: c.normEpsilon, in: scope["input_layernorm"])
        feedForwardNorm = RMSNorm(
            c.width, epsilon: c.normEpsilon, in: scope["post_attention_layernorm"])
    }

    func callAsFunction(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let attended = x + attention(inputNorm(x), pass)
        return attended + feedForward(feedForwardNorm(attended))
    }
}

struct LlamaAttention {
    private let query, key, value, output: Linear
    private let queryNorm, keyNorm: RMSNorm?
    private let heads: AttentionHeads

    init(_ c: LlamaConfiguration, layer: Int, in scope: Scope) {
        let initializer = Initializer.normal(standardDeviation: c.initializerDeviation)
        func linear(_ name: String, _ inputs: Int, _ outputs: Int, _ bias: Bool) -> Linear {
            Linear(inputs, outputs, bias: bias, initializer: initializer, in: scope[name])
        }
        let wide = c.headCount * c.headWidth
        let narrow = c.keyValueHeadCount * c.headWidth
        query = linear("q_proj", c.width, wide, c.queryKeyValueBias)
        key = linear("k_proj", c.width, narrow, c.queryKeyValueBias)
        value = linear("v_proj", c.width, narrow, c.queryKeyValueBias)
        output = linear("o_proj", wide, c.width, c.outputBias)
        func norm(_ name: String) -> RMSNorm? {
            guard c.normalizesQueriesAndKeys else { return nil }
            return RMSNorm(c.headWidth, epsilon: c.normEpsilon, in: scope[name])
        }
        queryNorm = norm("q_norm")
        keyNorm = norm("k_norm")
        heads = AttentionHeads(
            layer: layer, headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount,
            width: c.headWidth)
    }

    func callAsFunction(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let queries = heads.split(query(x), heads.headCount, queryNorm?.callAsFunction)
        let keys = heads.split(key(x), heads.keyValueHeadCount, keyNorm?.callAsFunction)
        let values = heads.split(value(x), heads.keyValueHeadCount)
        return output(heads.attend(pass.rotate(queries), pass.rotate(keys), values, pass))
    }
}

/// SwiGLU. Source: Shazeer: "GLU Variants Improve Transformer" (2020).
struct LlamaFeedForward {
    private let gate, up, down: Linear

    init(_ c: LlamaConfiguration, in scope: Scope) {
        let initializer = Initializer.normal(standardDeviation: c.initializerDeviation)
        func linear(_ name: String, _ inputs: Int, _ outputs: Int) -> Linear {
            Linear(
                inputs, outputs, bias: c.feedForwardBias, initializer: initializer, in: scope[name])
        }
        gate = linear("gate_proj", c.width, c.feedForwardWidth)
        up = linear("up_proj", c.width, c.feedForwardWidth)
        down = linear("down_proj", c.feedForwardWidth, c.width)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { down(gate(x).swiGLU(up(x))) }
}

// MARK: - config.json

extension LlamaConfiguration {
    static let modelTypes = ["llama", "mistral", "qwen2", "qwen3", "smollm3"]

    /// Reads the config.json of a model of one of these types.
    init(_ reader: ConfigurationReader, modelType: String) throws(FileError) {
        let act = try reader.string("hidden_act") ?? "silu"
        guard act == "silu" else { throw reader.unsupported("hidden_act", act, allowed: "silu") }
        vocabularySize = try reader.size("vocab_size", upTo: ConfigurationReader.Limit.rows)
        width = try reader.size("hidden_size")
        feedForwardWidth = try reader.size("intermediate_size")
        layerCount = try reader.size("num_hidden_layers", upTo: ConfigurationReader.Limit.layers)
        headCount = try reader.size("num_attention_heads")
        keyValueHeadCount = try reader.size("num_key_value_heads", default: headCount)
        guard headCount.isMultiple(of: keyValueHeadCount) else {
            throw reader.unsupported(
                "num_key_value_heads", "\(keyValueHeadCount)", allowed: "divisors of \(headCount)")
        }
        let fallbackWidth = modelType == "qwen3" ? 128 : width / headCount
        headWidth = try reader.headWidth(heads: headCount, default: fallbackWidth)
        normEpsilon = try reader.magnitude(
            "rms_norm_eps", default: modelType == "mistral" ? 1e-5 : 1e-6)
        let lengths = ["llama": 2048, "mistral": 131_072]
        maximumLength = try reader.size(
            "max_position_embeddings", upTo: ConfigurationReader.Limit.length,
            default: lengths[modelType] ?? 32_768)
        rotary = try RotaryConfiguration(
            reader, width: headWidth, maximumLength: maximumLength,
            defaultTheta: modelType == "smollm3" ? 2_000_000 : 10_000)
        tiesEmbeddings = try reader.bool(
            "tie_word_embeddings", default: modelType == "smollm3")
        initializerDeviation = try reader.magnitude("initializer_range", default: 0.02)
        windows = try Self.windows(reader, modelType: modelType, layerCount: layerCount)
        let attentionBias = try reader.bool("attention_bias", default: false)
        queryKeyValueBias = modelType == "qwen2" || attentionBias
        outputBias = modelType == "qwen2" ? false : attentionBias
        feedForwardBias = try reader.bool("mlp_bias", default: false)
        normalizesQueriesAndKeys = modelType == "qwen3"
        if modelType == "smollm3" {
            layersWithoutRotation = try Self.layersWithoutRotation(reader, layerCount: layerCount)
        }
    }

    /// SmolLM3: the layers that `no_rope_layers` gives a 0, else every fourth one.
    private static func layersWithoutRotation(
        _ reader: ConfigurationReader, layerCount: Int
    ) throws(FileError) -> Set<Int> {
        let interval = try reader.size("no_rope_layer_interval", default: 4)
        guard let list = reader.value("no_rope_layers") else {
            return Set((0..<layerCount).filter { ($0 + 1).isMultiple(of: interval) })
        }
        let flags = (list.arrayValue ?? []).compactMap(\.intValue)
        guard flags.count >= layerCount, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
            throw FileError(
                reader.path, "no_rope_layers should be a list of \(layerCount) zeros and ones")
        }
        return Set((0..<layerCount).filter { flags[$0] == 0 })
    }

    /// Mistral: one window for all layers. Qwen: only when switched on, from `max_window_layers`
    /// upwards.
    private static func windows(
        _ reader: ConfigurationReader, modelType: String, layerCount: Int
    ) throws(FileError) -> [Int?] {
        var windows = [Int?](repeating: nil, count: layerCount)
        guard modelType != "llama", reader.value("sliding_window") != nil else { return windows }
        let window = try reader.size("sliding_window", upTo: ConfigurationReader.Limit.length)
        if modelType == "mistral" { return Array(repeating: window, count: layerCount) }
        guard try reader.bool("use_sliding_window", default: false) else { return windows }
        if let types = reader.value("layer_types")?.arrayValue, types.count == layerCount {
            return types.map { $0.stringValue == "sliding_attention" ? window : nil }
        }
        let first = try reader.int("max_window_layers") ?? 28
        for layer in windows.indices where layer >= first { windows[layer] = window }
        return windows
    }
}
