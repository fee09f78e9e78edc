internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// Phi-3 and Phi-4: the Llama kind with one projection for queries, keys and values and one for
/// gate and up; a part of each head may be rotated.
///
/// Source: Abdin et al.: "Phi-3 Technical Report" (2024), 2.
public struct Phi3Configuration: Sendable, Hashable {
    public var decoder: DecoderConfiguration
    public var rotary: RotaryConfiguration
    public var window: Int?
    public var residualDropout: Double
}

struct Phi3Block: DecoderBlock {
    private let queryKeyValue, output, gateUp, down: Linear
    private let inputNorm, feedForwardNorm: RMSNorm
    private let heads: AttentionHeads
    private let feedForwardWidth: Int
    private let dropout: Double

    init(_ configuration: Phi3Configuration, layer: Int, in scope: Scope) {
        let c = configuration.decoder
        heads = c.heads(layer: layer)
        feedForwardWidth = c.feedForwardWidth
        dropout = configuration.residualDropout
        let wide = c.headCount * c.headWidth
        let all = wide + 2 * c.keyValueHeadCount * c.headWidth
        output = c.linear(wide, c.width, in: scope["self_attn"]["o_proj"])
        queryKeyValue = c.linear(c.width, all, in: scope["self_attn"]["qkv_proj"])
        gateUp = c.linear(c.width, 2 * c.feedForwardWidth, in: scope["mlp"]["gate_up_proj"])
        down = c.linear(c.feedForwardWidth, c.width, in: scope["mlp"]["down_proj"])
        inputNorm = RMSNorm(c.width, epsilon: c.normEpsilon, in: scope["input_layernorm"])
        feedForwardNorm = RMSNorm(
            c.width, epsilon: c.normEpsilon, in: scope["post_attention_layernorm"])
    }

    func callAsFunction(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let attention = attend(inputNorm(x), pass).dropout(dropout, isTraining: pass.isTraining)
        let attended = x + attention
        let inner = feedForward(feedForwardNorm(attended))
        return attended + inner.dropout(dropout, isTraining: pass.isTraining)
    }

    private func attend(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let wide = heads.headCount * heads.width
        let narrow = heads.keyValueHeadCount * heads.width
        let parts = queryKeyValue(x).split([wide, narrow, narrow])
        let queries = heads.split(parts[0], heads.headCount)
        let keys = heads.split(parts[1], heads.keyValueHeadCount)
        let values = heads.split(parts[2], heads.keyValueHeadCount)
        return output(heads.attend(pass.rotate(queries), pass.rotate(keys), values, pass))
    }

    private func feedForward(_ x: Tensor) -> Tensor {
        let parts = gateUp(x).split([feedForwardWidth, feedForwardWidth])
        return down(parts[0].swiGLU(parts[1]))
    }
}

extension Phi3Configuration {
    init(_ reader: ConfigurationReader) throws(FileError) {
        decoder = try DecoderConfiguration(reader, .init(normEpsilon: 1e-5, maximumLength: 4096))
        try reader.requireSiLU()
        rotary = try RotaryConfiguration(
            reader, width: decoder.headWidth, maximumLength: decoder.maximumLength,
            defaultTheta: 10_000)
        window = nil
        if reader.value("sliding_window") != nil {
            window = try reader.size("sliding_window", upTo: ConfigurationReader.Limit.length)
        }
        residualDropout = try reader.probability("resid_pdrop", default: 0)
    }

    func makeModel(in store: ParameterStore, hasHead: Bool) -> Decoder {
        var form = Decoder.Form(
            configuration: decoder,
            rotaries: Array(repeating: rotary, count: decoder.layerCount),
            windows: Array(repeating: window, count: decoder.layerCount))
        form.hasHead = hasHead
        return Decoder(form, store: store) { scope in
            RMSNorm(decoder.width, epsilon: decoder.normEpsilon, in: scope).callAsFunction
        } makeBlock: { layer, scope in
            Phi3Block(self, layer: layer, in: scope)
        }
    }
}
