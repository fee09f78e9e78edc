internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// OLMo 2: the Llama kind with norms after its parts instead of before them, and norms of all
/// queries and all keys together.
///
/// Source: OLMo et al.: "2 OLMo 2 Furious" (2025), 2.
public struct OLMo2Configuration: Sendable, Hashable {
    public var decoder: DecoderConfiguration
    public var rotary: RotaryConfiguration
}

struct OLMo2Block: DecoderBlock {
    private let query, key, value, output: Linear
    private let queryNorm, keyNorm: RMSNorm
    private let heads: AttentionHeads
    private let feedForward: GatedFeedForward
    private let attentionNorm, feedForwardNorm: RMSNorm

    init(_ c: DecoderConfiguration, layer: Int, in scope: Scope) {
        let attention = scope["self_attn"]
        let (wide, narrow) = (c.headCount * c.headWidth, c.keyValueHeadCount * c.headWidth)
        query = c.attentionLinear(c.width, wide, in: attention["q_proj"])
        key = c.attentionLinear(c.width, narrow, in: attention["k_proj"])
        value = c.attentionLinear(c.width, narrow, in: attention["v_proj"])
        output = c.attentionLinear(wide, c.width, in: attention["o_proj"])
        queryNorm = RMSNorm(wide, epsilon: c.normEpsilon, in: attention["q_norm"])
        keyNorm = RMSNorm(narrow, epsilon: c.normEpsilon, in: attention["k_norm"])
        heads = c.heads(layer: layer)
        feedForward = GatedFeedForward(c, .silu, in: scope["mlp"])
        attentionNorm = RMSNorm(
            c.width, epsilon: c.normEpsilon, in: scope["post_attention_layernorm"])
        feedForwardNorm = RMSNorm(
            c.width, epsilon: c.normEpsilon, in: scope["post_feedforward_layernorm"])
    }

    func callAsFunction(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let attended = x + attentionNorm(attend(x, pass))
        return attended + feedForwardNorm(feedForward(attended))
    }

    private func attend(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let queries = heads.split(queryNorm(query(x)), heads.headCount)
        let keys = heads.split(keyNorm(key(x)), heads.keyValueHeadCount)
        let values = heads.split(value(x), heads.keyValueHeadCount)
        return output(heads.attend(pass.rotate(queries), pass.rotate(keys), values, pass))
    }
}

extension OLMo2Configuration {
    init(_ reader: ConfigurationReader) throws(FileError) {
        decoder = try DecoderConfiguration(reader, .init(normEpsilon: 1e-5))
        try reader.requireSiLU()
        rotary = try RotaryConfiguration(
            reader, width: decoder.headWidth, maximumLength: decoder.maximumLength,
            defaultTheta: 10_000)
    }

    func makeModel(in store: ParameterStore, hasHead: Bool) -> Decoder {
        var form = Decoder.Form(
            configuration: decoder,
            rotaries: Array(repeating: rotary, count: decoder.layerCount),
            windows: Array(repeating: nil, count: decoder.layerCount))
        form.hasHead = hasHead
        return Decoder(form, store: store) { scope in
            RMSNorm(decoder.width, epsilon: decoder.normEpsilon, in: scope).callAsFunction
        } makeBlock: { layer, scope in
            OLMo2Block(decoder, layer: layer, in: scope)
        }
    }
}
