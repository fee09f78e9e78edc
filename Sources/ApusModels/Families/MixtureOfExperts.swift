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
    }

    private let router: Linear
    private let experts: [Expert]
    private let expertsPerToken: Int
    private let normalizesWeights: Bool
    private let updates: ExpertUpdates

    /// - outer: the layer's scope
    init(_ c: MixtureConfiguration, in scope: Scope, outer: Scope) {
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
        updates = ExpertUpdates(c, in: outer)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let weights = weights(x)
        var sum = output(0, x) * weights.slice(-1, 0..<1)
        for index in experts.indices.dropFirst() {
            sum = sum + output(index, x) * weights.slice(-1, index..<index + 1)
        }
        return sum
    }

    private func output(_ index: Int, _ x: Tensor) -> Tensor {
        let expert = experts[index]
        var (gate, up) = (expert.gate(x), expert.up(x))
        if let change = updates.gateUp?(x, expert: index) {
            let parts = change.split([gate.size(-1), up.size(-1)], dim: -1)
            (gate, up) = (gate + parts[0], up + parts[1])
        }
        let inner = gate.swiGLU(up)
        let output = expert.down(inner)
        return updates.down.map { output + $0(inner, expert: index) } ?? output
    }

    /// What each expert counts for each token, `[batch, length, experts]`: zero for those not
    /// picked.
    private func weights(_ x: Tensor) -> Tensor {
        let plain = router(x)
        let scores = updates.router.map { plain + $0(x, expert: 0) } ?? plain
        let probabilities = scores.to(.float32).softmax()
        let (values, indices) = probabilities.topK(expertsPerToken)
        let picked = normalizesWeights ? values / values.sum(-1, keepDims: true) : values
        let none = probabilities.detached().zerosLike()
        return none.scatter(-1, index: indices, source: picked).to(x.dtype)
    }
}

/// Updates of the experts' matrices as transformers 5 joins them: `gate_up_proj` `[experts, 2 *
/// inner, width]`, the gates' rows first, and `down_proj` `[experts, width, inner]`; and of the
/// router's, `[experts, width]`.
private struct ExpertUpdates {
    let router, gateUp, down: ExpertUpdate?

    /// - scope: the layer's
    init(_ c: MixtureConfiguration, in scope: Scope) {
        let place = scope["mlp"]["experts"]
        let gate = scope["mlp"]["gate"]
        let (width, inner) = (c.base.width, c.expertWidth)
        router = ExpertUpdate(
            width, c.expertCount, experts: 1, of: "\(gate.path).weight", in: gate)
        down = ExpertUpdate(
            inner, width, experts: c.expertCount, of: "\(place.path).down_proj", in: place)
        // Where both are updated, PEFT wraps the wrapper.
        gateUp = ExpertUpdate(
            width, 2 * inner, experts: c.expertCount, of: "\(place.path).gate_up_proj",
            in: down == nil ? place : place["base_layer"])
    }
}

/// Which part of a joined parameter the matrix of one expert is; a router is a whole one.
struct ExpertMatrix {
    /// The joined parameter's path, as transformers 5 calls it.
    let parameter: String
    let expert: Int
    /// nil: all rows; else the first half or the second.
    let isSecondHalf: Bool?

    /// nil for parameters that are none.
    init?(_ parameter: String) {
        var parts = parameter.split(separator: ".").map(String.init)
        guard parts.count > 4, parts.removeLast() == "weight" else { return nil }
        let title = parts.removeLast()
        if title == "gate", ["mlp", "block_sparse_moe"].contains(parts.last) {
            parts[parts.count - 1] = "mlp"
            (expert, isSecondHalf) = (0, nil)
            self.parameter = parts.joined(separator: ".") + ".gate.weight"
            return
        }
        guard let expert = Int(parts.removeLast()), parts.last == "experts" else { return nil }
        parts[parts.count - 2] = "mlp"
        let isDown = title == "w2" || title == "down_proj"
        self.expert = expert
        self.parameter = parts.joined(separator: ".") + (isDown ? ".down_proj" : ".gate_up_proj")
        isSecondHalf = isDown ? nil : title == "w3" || title == "up_proj"
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
            feedForward = .experts(ExpertFeedForward(configuration, in: place, outer: scope))
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
