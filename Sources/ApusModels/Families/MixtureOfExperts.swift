internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// Mixtral and Qwen3-MoE: the Llama kind with several feed-forward parts, of which a router picks a
/// few for each token.
///
/// Source: Jiang et al.: "Mixtral of Experts" (2024), 2.1.
public struct MixtureConfiguration: Sendable, Hashable {
    /// Everything but the experts.
    public var base: LlamaConfiguration
    public var expertCount: Int
    public var expertsPerToken: Int
    public var expertWidth: Int
    /// The picked experts' weights are made to add up to one.
    public var normalizesWeights: Bool
    /// Layers with one plain feed-forward part.
    public var denseLayers: Set<Int>
    /// How the files name the parts.
    public var isMixtral: Bool
}

/// Computes every expert for every token and weighs the results, most of them by zero: exact, and
/// all experts always take part in the gradient.
struct ExpertFeedForward {
    private struct Expert {
        let gate, up, down: Linear

        func callAsFunction(_ x: Tensor) -> Tensor { down(gate(x).swiGLU(up(x))) }
    }

    private let router: Linear
    private let experts: [Expert]
    private let expertsPerToken: Int
    private let normalizesWeights: Bool

    init(_ c: MixtureConfiguration, in scope: Scope) {
        let initializer = Initializer.normal(standardDeviation: c.base.initializerDeviation)
        let names =
            c.isMixtral ? ("w1", "w3", "w2") : ("gate_proj", "up_proj", "down_proj")
        func linear(_ inputs: Int, _ outputs: Int, in scope: Scope) -> Linear {
            Linear(inputs, outputs, bias: false, initializer: initializer, in: scope)
        }
        // In PEFT's eyes neither router nor experts are linear layers.
        let scope = scope.withoutUpdates()
        router = linear(c.base.width, c.expertCount, in: scope["gate"])
        experts = (0..<c.expertCount).map { index in
            let place = scope["experts"][index]
            return Expert(
                gate: linear(c.base.width, c.expertWidth, in: place[names.0]),
                up: linear(c.base.width, c.expertWidth, in: place[names.1]),
                down: linear(c.expertWidth, c.base.width, in: place[names.2]))
        }
        expertsPerToken = c.expertsPerToken
        normalizesWeights = c.normalizesWeights
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let weights = weights(x)
        var sum = experts[0](x) * weights.slice(-1, 0..<1)
        for index in experts.indices.dropFirst() {
            sum = sum + experts[index](x) * weights.slice(-1, index..<index + 1)
        }
        return sum
    }

    /// What each expert counts for each token, `[batch, length, experts]`: zero for those not
    /// picked.
    private func weights(_ x: Tensor) -> Tensor {
        let probabilities = router(x).to(.float32).softmax()
        let (values, indices) = probabilities.topK(expertsPerToken)
        let picked = normalizesWeights ? values / values.sum(-1, keepDims: true) : values
        let none = probabilities.detached().zerosLike()
        return none.scatter(-1, index: indices, source: picked).to(x.dtype)
    }
}

struct MixtureBlock: DecoderBlock {
    private enum FeedForward {
        case dense(LlamaFeedForward)
        case experts(ExpertFeedForward)
    }

    private let attention: LlamaAttention
    private let feedForward: FeedForward
    private let inputNorm, feedForwardNorm: RMSNorm

    init(_ configuration: MixtureConfiguration, layer: Int, in scope: Scope) {
        let c = configuration.base
        attention = LlamaAttention(c, layer: layer, in: scope["self_attn"])
        if configuration.denseLayers.contains(layer) {
            feedForward = .dense(LlamaFeedForward(c, in: scope["mlp"]))
        } else {
            let place = scope[configuration.isMixtral ? "block_sparse_moe" : "mlp"]
            feedForward = .experts(ExpertFeedForward(configuration, in: place))
        }
        inputNorm = RMSNorm(c.width, epsilon: c.normEpsilon, in: scope["input_layernorm"])
        feedForwardNorm = RMSNorm(
            c.width, epsilon: c.normEpsilon, in: scope["post_attention_layernorm"])
    }

    func callAsFunction(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let attended = x + attention(inputNorm(x), pass)
        let normalized = feedForwardNorm(attended)
        switch feedForward {
        case .dense(let layer): return attended + layer(normalized)
        case .experts(let layer): return attended + layer(normalized)
        }
    }
}

extension MixtureConfiguration {
    static let modelTypes = ["mixtral", "qwen3_moe"]

    init(_ reader: ConfigurationReader, modelType: String) throws(FileError) {
        isMixtral = modelType == "mixtral"
        // Apart from the experts they are what these two are.
        base = try LlamaConfiguration(reader, modelType: isMixtral ? "mistral" : "qwen3")
        let limit = ConfigurationReader.Limit.layers
        // transformers 5 writes num_local_experts for both.
        let count = try reader.size("num_experts", upTo: limit, default: isMixtral ? 8 : 128)
        expertCount = try reader.size("num_local_experts", upTo: limit, default: count)
        expertsPerToken = try reader.size(
            "num_experts_per_tok", upTo: expertCount, default: min(isMixtral ? 2 : 8, expertCount))
        expertWidth =
            isMixtral
            ? base.feedForwardWidth : try reader.size("moe_intermediate_size", default: 768)
        normalizesWeights = try reader.bool("norm_topk_prob", default: isMixtral)
        if isMixtral { normalizesWeights = true }
        denseLayers = []
        if !isMixtral { denseLayers = try Self.denseLayers(reader, layerCount: base.layerCount) }
    }

    private static func denseLayers(
        _ reader: ConfigurationReader, layerCount: Int
    ) throws(FileError) -> Set<Int> {
        let step = try reader.size("decoder_sparse_step", default: 1)
        let between = (0..<layerCount).filter { !($0 + 1).isMultiple(of: step) }
        guard let list = reader.value("mlp_only_layers") else { return Set(between) }
        let named = (list.arrayValue ?? []).compactMap(\.intValue)
        guard named.count == list.arrayValue?.count else {
            throw FileError(reader.path, "mlp_only_layers should be a list of layers")
        }
        return Set(between + named)
    }

    func makeModel(in store: ParameterStore, hasHead: Bool) -> Decoder {
        var form = Decoder.Form(
            configuration: base.decoder,
            rotaries: Array(repeating: base.rotary, count: base.layerCount), windows: base.windows)
        form.hasHead = hasHead
        return Decoder(form, store: store) { scope in
            RMSNorm(base.width, epsilon: base.normEpsilon, in: scope).callAsFunction
        } makeBlock: { layer, scope in
            MixtureBlock(self, layer: layer, in: scope)
        }
    }
}

extension LlamaConfiguration {
    /// What all decoders share of it.
    fileprivate var decoder: DecoderConfiguration {
        DecoderConfiguration(
            vocabularySize: vocabularySize, width: width, feedForwardWidth: feedForwardWidth,
            layerCount: layerCount, headCount: headCount, keyValueHeadCount: keyValueHeadCount,
            headWidth: headWidth, normEpsilon: normEpsilon, maximumLength: maximumLength,
            tiesEmbeddings: tiesEmbeddings, attentionBias: queryKeyValueBias,
            initializerDeviation: initializerDeviation)
    }
}
