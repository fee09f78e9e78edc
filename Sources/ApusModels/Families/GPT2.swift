internal import ApusBase
public import ApusNN
public import ApusTensor

public struct GPT2Configuration: Sendable, Hashable {
    public var vocabularySize: Int
    public var width: Int
    public var feedForwardWidth: Int
    public var layerCount: Int
    public var headCount: Int
    public var maximumLength: Int
    public var normEpsilon: Double
    public var activation: Activation
    public var embeddingDropout: Double
    public var attentionDropout: Double
    public var residualDropout: Double
    public var tiesEmbeddings: Bool
    public var scalesAttention: Bool
    public var initializerDeviation: Double
}

/// A decoder-only transformer with learned positions and norms before each part.
///
/// Source: Radford et al.: "Language Models are Unsupervised Multitask Learners" (2019), 2.3.
public final class GPT2: LanguageModel {
    public let configuration: GPT2Configuration
    public let store: ParameterStore
    private let tokenEmbedding: Embedding
    private let positionEmbedding: Embedding
    private let embeddingUnit: Unit
    private let blocks: [GPT2Block]
    private let lastUnit: Unit
    private let norm: LayerNorm
    private let output: OutputHead

    /// - hasHead: false where another head stands on the hidden states
    public init(
        _ configuration: GPT2Configuration, store: ParameterStore = ParameterStore(),
        hasHead: Bool = true
    ) {
        self.configuration = configuration
        self.store = store
        let initializer = Initializer.normal(standardDeviation: configuration.initializerDeviation)
        let (vocabulary, width) = (configuration.vocabularySize, configuration.width)
        let model = store.root["transformer"]
        let embeddings = model.asUnit()
        embeddingUnit = embeddings.unit
        tokenEmbedding = Embedding(
            vocabulary, width, initializer: initializer, in: embeddings["wte"])
        positionEmbedding = Embedding(
            configuration.maximumLength, width, initializer: initializer, in: embeddings["wpe"])
        blocks = (0..<configuration.layerCount).map {
            GPT2Block(configuration, layer: $0, in: model["h"][$0].asUnit())
        }
        let last = store.root["lm_head"].asUnit()
        lastUnit = last.unit
        norm = LayerNorm(
            width, epsilon: configuration.normEpsilon,
            in: model["ln_f"].inUnit(of: last))
        output =
            hasHead
            ? OutputHead(
                tokenEmbedding, isTied: configuration.tiesEmbeddings, initializer: initializer,
                in: last)
            : OutputHead(tokenEmbedding)
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var width: Int { configuration.width }
    public var layerCount: Int { configuration.layerCount }
    public var positionLimit: Int? { configuration.maximumLength }
    public var head: Tensor { output.weight.value }
    public var headUnits: [Unit] { output.units }
    public func headOperands(_ hidden: Tensor) -> (hidden: Tensor, weight: Tensor) {
        output.operands(hidden)
    }

    public func hiddenStates(_ tokens: Tensor, _ context: SequenceContext) -> Tensor {
        store.isTraining = context.isTraining
        let length = tokens.size(1)
        let positions = context.positions(length: length, device: tokens.device)
        var x = embeddingUnit.run([]) { _ in
            let embedded = context.addingNoise(to: self.tokenEmbedding(tokens))
            return embedded + self.positionEmbedding(positions)
        }
        x = x.dropout(configuration.embeddingDropout, isTraining: context.isTraining)
        let mask = AttentionMask(context, length: length, window: nil, device: tokens.device)
        for block in blocks { x = block(x, mask, context) }
        context.cache?.advance()
        return lastUnit.run([x]) { self.norm($0[0]) }
    }
}

struct GPT2Block {
    private let unit: Unit
    private let configuration: GPT2Configuration
    private let layer: Int
    private let firstNorm, secondNorm: LayerNorm
    private let queryKeyValue, attentionOutput, up, down: Conv1D

    init(_ c: GPT2Configuration, layer: Int, in scope: Scope) {
        unit = scope.unit
        configuration = c
        self.layer = layer
        let plain = Initializer.normal(standardDeviation: c.initializerDeviation)
        // Section 2.3: weights on the residual path are scaled by the square root of their number.
        let residual = Initializer.normal(
            standardDeviation: c.initializerDeviation / Double(2 * c.layerCount).squareRoot())
        firstNorm = LayerNorm(c.width, epsilon: c.normEpsilon, in: scope["ln_1"])
        queryKeyValue = Conv1D(
            c.width, 3 * c.width, initializer: plain, in: scope["attn"]["c_attn"])
        attentionOutput = Conv1D(
            c.width, c.width, initializer: residual, in: scope["attn"]["c_proj"])
        secondNorm = LayerNorm(c.width, epsilon: c.normEpsilon, in: scope["ln_2"])
        up = Conv1D(c.width, c.feedForwardWidth, initializer: plain, in: scope["mlp"]["c_fc"])
        down = Conv1D(
            c.feedForwardWidth, c.width, initializer: residual, in: scope["mlp"]["c_proj"])
    }

    func callAsFunction(_ x: Tensor, _ mask: AttentionMask, _ context: SequenceContext) -> Tensor {
        unit.run([x]) { inputs in
            let attended = inputs[0] + attend(firstNorm(inputs[0]), mask, context)
            return attended + feedForward(secondNorm(attended), context)
        }
    }

    private func attend(_ x: Tensor, _ mask: AttentionMask, _ context: SequenceContext) -> Tensor {
        let c = configuration
        let (batch, length, headWidth) = (x.size(0), x.size(1), c.width / c.headCount)
        let parts = queryKeyValue(x).split([c.width, c.width, c.width]).map {
            $0.reshape(batch, length, c.headCount, headWidth).transpose(1, 2)
        }
        var (keys, values) = (parts[1], parts[2])
        if let cache = context.cache {
            (keys, values) = cache.append(layer: layer, key: keys, value: values)
        }
        var options = mask.options(length: length, isGrouped: false)
        options.scale = c.scalesAttention ? nil : 1
        options.dropout = context.isTraining ? c.attentionDropout : 0
        let mixed = parts[0].attention(key: keys, value: values, options: options)
        let merged = mixed.transpose(1, 2).reshape(batch, length, c.width)
        return attentionOutput(merged).dropout(c.residualDropout, isTraining: context.isTraining)
    }

    private func feedForward(_ x: Tensor, _ context: SequenceContext) -> Tensor {
        down(configuration.activation(up(x)))
            .dropout(configuration.residualDropout, isTraining: context.isTraining)
    }
}

// MARK: - config.json

extension GPT2Configuration {
    init(_ reader: ConfigurationReader) throws(FileError) {
        vocabularySize = try reader.size(
            "vocab_size", upTo: ConfigurationReader.Limit.rows, default: 50_257)
        width = try reader.size("n_embd", default: 768)
        feedForwardWidth = try reader.size("n_inner", default: 4 * width)
        layerCount = try reader.size("n_layer", upTo: ConfigurationReader.Limit.layers, default: 12)
        headCount = try reader.size("n_head", default: 12)
        guard width.isMultiple(of: headCount) else {
            throw reader.unsupported(
                "n_head", "\(headCount)", allowed: "divisors of n_embd \(width)")
        }
        maximumLength = try reader.size(
            "n_positions", upTo: ConfigurationReader.Limit.rows, default: 1024)
        normEpsilon = try reader.magnitude("layer_norm_epsilon", default: 1e-5)
        activation = try reader.activation("activation_function", default: .geluNew)
        embeddingDropout = try reader.probability("embd_pdrop", default: 0.1)
        attentionDropout = try reader.probability("attn_pdrop", default: 0.1)
        residualDropout = try reader.probability("resid_pdrop", default: 0.1)
        tiesEmbeddings = try reader.bool("tie_word_embeddings", default: true)
        scalesAttention = try reader.bool("scale_attn_weights", default: true)
        initializerDeviation = try reader.magnitude("initializer_range", default: 0.02)
        if try reader.bool("scale_attn_by_inverse_layer_idx", default: false) {
            throw reader.unsupported("scale_attn_by_inverse_layer_idx", "true", allowed: "false")
        }
    }
}
