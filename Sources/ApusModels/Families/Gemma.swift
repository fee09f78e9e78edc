internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// Gemma 2 and the text part of Gemma 3: norms before and after each part, windows in most layers,
/// scores and logits bent into a range.
///
/// Source: Gemma Team: "Gemma 2" (2024), 2; "Gemma 3 Technical Report" (2025), 2.
public struct GemmaConfiguration: Sendable, Hashable {
    public var decoder: DecoderConfiguration
    /// For each layer: Gemma 3 turns faster where there is a window.
    public var rotaries: [RotaryConfiguration]
    public var windows: [Int?]
    public var activation: Activation
    /// Scores are divided by the root of this.
    public var queryScalar: Double
    public var scoreSoftCap: Double?
    public var logitSoftCap: Double?
    /// Gemma 3.
    public var normalizesQueriesAndKeys: Bool
}

/// RMSNorm whose weight is a difference from one, in fp32 until the end.
struct GemmaNorm {
    private let weight: Parameter
    private let epsilon: Double

    init(_ width: Int, epsilon: Double, in scope: Scope) {
        weight = scope.parameter("weight", [width], .zeros)
        self.epsilon = epsilon
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let scale = weight.value.to(.float32) + 1
        return x.to(.float32).rmsNorm(weight: scale, epsilon: epsilon).to(x.dtype)
    }
}

struct GemmaBlock: DecoderBlock {
    private let query, key, value, output: Linear
    private let queryNorm, keyNorm: GemmaNorm?
    private let heads: AttentionHeads
    private let feedForward: GatedFeedForward
    private let beforeAttention, afterAttention, beforeFeedForward, afterFeedForward: GemmaNorm

    init(_ configuration: GemmaConfiguration, layer: Int, in scope: Scope) {
        let c = configuration.decoder
        let attention = scope["self_attn"]
        let (wide, narrow) = (c.headCount * c.headWidth, c.keyValueHeadCount * c.headWidth)
        query = c.attentionLinear(c.width, wide, in: attention["q_proj"])
        key = c.attentionLinear(c.width, narrow, in: attention["k_proj"])
        value = c.attentionLinear(c.width, narrow, in: attention["v_proj"])
        output = c.attentionLinear(wide, c.width, in: attention["o_proj"])
        func headNorm(_ name: String) -> GemmaNorm? {
            guard configuration.normalizesQueriesAndKeys else { return nil }
            return GemmaNorm(c.headWidth, epsilon: c.normEpsilon, in: attention[name])
        }
        queryNorm = headNorm("q_norm")
        keyNorm = headNorm("k_norm")
        var heads = c.heads(layer: layer)
        heads.scale = 1 / configuration.queryScalar.squareRoot()
        heads.softCap = configuration.scoreSoftCap
        self.heads = heads
        feedForward = GatedFeedForward(c, configuration.activation, in: scope["mlp"])
        func norm(_ name: String) -> GemmaNorm {
            GemmaNorm(c.width, epsilon: c.normEpsilon, in: scope[name])
        }
        beforeAttention = norm("input_layernorm")
        afterAttention = norm("post_attention_layernorm")
        beforeFeedForward = norm("pre_feedforward_layernorm")
        afterFeedForward = norm("post_feedforward_layernorm")
    }

    func callAsFunction(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let attended = x + afterAttention(attend(beforeAttention(x), pass))
        return attended + afterFeedForward(feedForward(beforeFeedForward(attended)))
    }

    private func attend(_ x: Tensor, _ pass: LayerPass) -> Tensor {
        let queries = heads.split(query(x), heads.headCount, queryNorm?.callAsFunction)
        let keys = heads.split(key(x), heads.keyValueHeadCount, keyNorm?.callAsFunction)
        let values = heads.split(value(x), heads.keyValueHeadCount)
        return output(heads.attend(pass.rotate(queries), pass.rotate(keys), values, pass))
    }
}

extension GemmaConfiguration {
    static let modelTypes = ["gemma2", "gemma3_text"]

    init(_ reader: ConfigurationReader, modelType: String) throws(FileError) {
        let isThird = modelType == "gemma3_text"
        decoder = try DecoderConfiguration(
            reader,
            .init(
                headWidth: 256, maximumLength: isThird ? 131_072 : 8192, tiesEmbeddings: true))
        if try reader.bool("use_bidirectional_attention", default: false) {
            throw reader.unsupported("use_bidirectional_attention", "true", allowed: "false")
        }
        activation = try reader.activation("hidden_activation", default: .geluPytorchTanh)
        queryScalar = try reader.double("query_pre_attn_scalar", default: 256)
        guard queryScalar > 0 else {
            throw reader.unsupported(
                "query_pre_attn_scalar", "\(queryScalar)", allowed: "positive numbers")
        }
        scoreSoftCap = try reader.cap("attn_logit_softcapping", default: isThird ? nil : 50)
        logitSoftCap = try reader.cap("final_logit_softcapping", default: isThird ? nil : 30)
        normalizesQueriesAndKeys = isThird
        // Gemma 2 begins with a window and goes to and fro; Gemma 3 has every sixth layer without
        // one.
        let pattern = try reader.size("sliding_window_pattern", default: isThird ? 6 : 2)
        windows = try reader.windows(layers: decoder.layerCount) {
            !($0 + 1).isMultiple(of: pattern)
        }
        rotaries = try Self.rotaries(reader, decoder, windows: windows, isThird: isThird)
    }

    private static func rotaries(
        _ reader: ConfigurationReader, _ c: DecoderConfiguration, windows: [Int?], isThird: Bool
    ) throws(FileError) -> [RotaryConfiguration] {
        guard isThird else {
            let rotary = try RotaryConfiguration(
                reader, width: c.headWidth, maximumLength: c.maximumLength, defaultTheta: 10_000)
            return windows.map { _ in rotary }
        }
        let kinds = try reader.object("rope_parameters")
        var wide = try reader.object("rope_scaling")
        if wide == nil { wide = try kinds?.object("full_attention") }
        let near = try kinds?.object("sliding_attention")
        // The names before transformers 5.
        let theta = try reader.double("rope_theta", default: 1_000_000)
        let nearTheta = try reader.double("rope_local_base_freq", default: 10_000)
        let full = try RotaryConfiguration(
            wide, outer: reader, width: c.headWidth, maximumLength: c.maximumLength,
            defaults: (theta: theta, part: 1))
        let sliding = try RotaryConfiguration(
            near, outer: reader, width: c.headWidth, maximumLength: c.maximumLength,
            defaults: (theta: nearTheta, part: 1))
        return windows.map { $0 == nil ? full : sliding }
    }

    func makeModel(in store: ParameterStore, hasHead: Bool) -> Decoder {
        var form = Decoder.Form(
            configuration: decoder, rotaries: rotaries, windows: windows,
            embeddingScale: Double(decoder.width).squareRoot(), logitSoftCap: logitSoftCap)
        form.hasHead = hasHead
        return Decoder(form, store: store) { scope in
            GemmaNorm(decoder.width, epsilon: decoder.normEpsilon, in: scope).callAsFunction
        } makeBlock: { layer, scope in
            GemmaBlock(self, layer: layer, in: scope)
        }
    }
}

extension ConfigurationReader {
    /// A bound of a range; null in the file means none.
    fileprivate func cap(_ key: String, default fallback: Double?) throws(FileError) -> Double? {
        guard members[key] != nil else { return fallback }
        guard value(key) != nil else { return nil }
        let cap = try double(key, default: 0)
        guard cap > 0 else {
            throw unsupported(key, "\(cap)", allowed: "positive numbers and null")
        }
        return cap
    }
}
