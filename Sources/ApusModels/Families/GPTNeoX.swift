internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// GPT-NeoX and Pythia: attention and feed-forward side by side, a part of each head rotated.
///
/// Source: Black et al.: "GPT-NeoX-20B" (2022), 2.1.
public struct GPTNeoXConfiguration: Sendable, Hashable {
    public var decoder: DecoderConfiguration
    public var rotary: RotaryConfiguration
    public var activation: Activation
    /// Both parts read the layer's input; else the feed-forward part reads what attention left.
    public var isParallel: Bool
    public var dropout: Double
}

struct GPTNeoXBlock: DecoderBlock {
    private let configuration: GPTNeoXConfiguration
    private let attentionNorm, feedForwardNorm: LayerNorm
    private let queryKeyValue, output, up, down: Linear
    private let heads: AttentionHeads

    init(_ configuration: GPTNeoXConfiguration, layer: Int, in scope: Scope) {
        let c = configuration.decoder
        self.configuration = configuration
        heads = c.heads(layer: layer)
        attentionNorm = LayerNorm(c.width, epsilon: c.normEpsilon, in: scope["input_layernorm"])
        feedForwardNorm = LayerNorm(
            c.width, epsilon: c.normEpsilon, in: scope["post_attention_layernorm"])
        let attention = scope["attention"]
        queryKeyValue = c.attentionLinear(c.width, 3 * c.width, in: attention["query_key_value"])
        output = c.attentionLinear(c.width, c.width, in: attention["dense"])
        let mlp = scope["mlp"]
        up = c.linear(c.width, c.feedForwardWidth, bias: true, in: mlp["dense_h_to_4h"])
        down = c.linear(c.feedForwardWidth, c.width, bias: true, in: mlp["dense_4h_to_h"])
    }

    func callAsFunction(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let attended = x + drop(attend(attentionNorm(x), pass), pass)
        let input = configuration.isParallel ? x : attended
        let inner = configuration.activation(up(feedForwardNorm(input)))
        return attended + drop(down(inner), pass)
    }

    private func attend(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let (batch, length) = (x.size(0), x.size(1))
        // Query, key and value of a head stand side by side.
        let all = queryKeyValue(x).reshape(batch, length, heads.headCount, 3 * heads.width)
        let parts = all.transpose(1, 2).split([heads.width, heads.width, heads.width])
        let (queries, keys) = (pass.rotate(parts[0]), pass.rotate(parts[1]))
        return output(heads.attend(queries, keys, parts[2], pass))
    }

    private func drop(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        x.dropout(configuration.dropout, isTraining: pass.isTraining)
    }
}

extension GPTNeoXConfiguration {
    init(_ reader: ConfigurationReader) throws(FileError) {
        decoder = try DecoderConfiguration(
            reader, .init(normEpsilon: 1e-5, normEpsilonKey: "layer_norm_eps"))
        guard decoder.width == decoder.headCount * decoder.headWidth else {
            throw reader.unsupported(
                "num_attention_heads", "\(decoder.headCount)",
                allowed: "divisors of hidden_size \(decoder.width)")
        }
        decoder.keyValueHeadCount = decoder.headCount
        decoder.attentionBias = try reader.bool("attention_bias", default: true)
        // The names before transformers 5.
        let theta = try reader.double("rotary_emb_base", default: 10_000)
        let part = try reader.double("rotary_pct", default: 0.25)
        rotary = try RotaryConfiguration(
            reader, width: decoder.headWidth, maximumLength: decoder.maximumLength,
            defaultTheta: theta, defaultPart: part)
        activation = try reader.activation("hidden_act", default: .gelu)
        isParallel = try reader.bool("use_parallel_residual", default: true)
        dropout = try reader.probability("hidden_dropout", default: 0)
    }

    func makeModel(in store: ParameterStore, hasHead: Bool) -> Decoder {
        var form = Decoder.Form(
            configuration: decoder,
            rotaries: Array(repeating: rotary, count: decoder.layerCount),
            windows: Array(repeating: nil, count: decoder.layerCount),
            names: .init(
                model: "gpt_neox", embedding: "embed_in", norm: "final_layer_norm",
                head: "embed_out"))
        form.hasHead = hasHead
        return Decoder(form, store: store) { scope in
            LayerNorm(decoder.width, epsilon: decoder.normEpsilon, in: scope).callAsFunction
        } makeBlock: { layer, scope in
            GPTNeoXBlock(self, layer: layer, in: scope)
        }
    }
}
