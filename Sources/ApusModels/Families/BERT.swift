internal import ApusBase
public import ApusNN
public import ApusTensor

/// BERT, RoBERTa (also XLM-RoBERTa) and DistilBERT: encoders, in which every token sees every
/// other, with norms after each part.
///
/// Source: Devlin et al.: "BERT" (2019), 3; Liu et al.: "RoBERTa" (2019); Sanh et al.: "DistilBERT"
/// (2019).
public struct BERTConfiguration: Sendable, Hashable {
    public enum Kind: Sendable, Hashable { case bert, roberta, distilbert }

    public var kind: Kind
    public var vocabularySize: Int
    public var width: Int
    public var feedForwardWidth: Int
    public var layerCount: Int
    public var headCount: Int
    /// Rows of the position table.
    public var positionCount: Int
    /// RoBERTa counts positions from behind its padding token's id.
    public var firstPosition: Int
    /// Kinds of segments; 0: no table of them.
    public var tokenTypeCount: Int
    public var activation: Activation
    public var normEpsilon: Double
    public var dropout: Double
    public var attentionDropout: Double
    public var classifierDropout: Double
    public var tiesEmbeddings: Bool
    public var initializerDeviation: Double
}

/// The encoder with its head for masked tokens: it predicts each token at its own place.
public final class BERT: LanguageModel {
    public let configuration: BERTConfiguration
    public let store: ParameterStore
    private let embeddings: BERTEmbeddings
    private let embeddingUnit: Unit
    private let blocks: [BERTBlock]
    /// nil without the head.
    private let maskedHead: MaskedTokenHead?

    /// - hasHead: false where another head stands on the encoder
    public init(
        _ configuration: BERTConfiguration, store: ParameterStore = ParameterStore(),
        hasHead: Bool = true
    ) {
        self.configuration = configuration
        self.store = store
        let names = configuration.names
        let model = store.root[names.model]
        let first = model["embeddings"].asUnit()
        embeddingUnit = first.unit
        embeddings = BERTEmbeddings(configuration, in: first)
        blocks = (0..<configuration.layerCount).map {
            BERTBlock(configuration, in: model[names.layers]["layer"][$0].asUnit())
        }
        maskedHead = hasHead ? MaskedTokenHead(configuration, in: store.root) : nil
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var width: Int { configuration.width }
    public var layerCount: Int { configuration.layerCount }
    public var positionLimit: Int? { configuration.positionCount - configuration.firstPosition }
    public var predictsNextToken: Bool { false }
    public var headUnits: [Unit] {
        guard let maskedHead else { return [] }
        return maskedHead.weight == nil ? [embeddingUnit, maskedHead.unit] : [maskedHead.unit]
    }
    public var head: Tensor { maskedHead?.weight?.value ?? embeddings.tokens.table }

    public func hiddenStates(_ tokens: Tensor, _ context: SequenceContext) -> Tensor {
        store.isTraining = context.isTraining
        var x = embeddingUnit.run([]) { _ in self.embeddings(tokens, context) }
        let mask = context.mutualMask
        for block in blocks { x = block(x, mask, context) }
        return x
    }

    /// The hidden states go through a layer of their own first; the bias stands as one more column.
    public func headOperands(_ hidden: Tensor) -> (hidden: Tensor, weight: Tensor) {
        guard let maskedHead else { preconditionFailure("a BERT without a head has no logits") }
        let transformed = maskedHead.transform(hidden)
        let ones = transformed.slice(-1, 0..<1).detached().onesLike()
        return (
            Tensor.concatenate([transformed, ones], dim: -1),
            Tensor.concatenate([head, maskedHead.bias.value.unsqueeze(-1)], dim: -1)
        )
    }
}

private struct BERTEmbeddings {
    let tokens: Embedding
    private let positions: Embedding
    private let types: Embedding?
    private let norm: LayerNorm
    private let configuration: BERTConfiguration

    init(_ c: BERTConfiguration, in scope: Scope) {
        configuration = c
        func table(_ name: String, _ rows: Int) -> Embedding {
            Embedding(rows, c.width, initializer: c.initializer, in: scope[name])
        }
        tokens = table("word_embeddings", c.vocabularySize)
        positions = table("position_embeddings", c.positionCount)
        types = c.tokenTypeCount > 0 ? table("token_type_embeddings", c.tokenTypeCount) : nil
        norm = LayerNorm(c.width, epsilon: c.normEpsilon, in: scope["LayerNorm"])
    }

    func callAsFunction(_ ids: Tensor, _ context: SequenceContext) -> Tensor {
        let place = context.positions(length: ids.size(1), device: ids.device)
        var x = context.addingNoise(to: tokens(ids))
        x = x + positions(place + Double(configuration.firstPosition))
        if let types { x = x + types(context.tokenTypes ?? ids.zerosLike()) }
        return norm(x).dropout(configuration.dropout, isTraining: context.isTraining)
    }
}

/// `norm(x + attention(x))`, then `norm(x + feedForward(x))`.
private struct BERTBlock {
    private let unit: Unit
    private let configuration: BERTConfiguration
    private let query, key, value, output, up, down: Linear
    private let attentionNorm, outputNorm: LayerNorm

    init(_ c: BERTConfiguration, in scope: Scope) {
        unit = scope.unit
        configuration = c
        let names = c.names
        func linear(_ path: [String], _ inputs: Int, _ outputs: Int) -> Linear {
            let place = path.reduce(scope) { $0[$1] }
            return Linear(inputs, outputs, bias: true, initializer: c.initializer, in: place)
        }
        func norm(_ path: [String]) -> LayerNorm {
            LayerNorm(c.width, epsilon: c.normEpsilon, in: path.reduce(scope) { $0[$1] })
        }
        query = linear(names.query, c.width, c.width)
        key = linear(names.key, c.width, c.width)
        value = linear(names.value, c.width, c.width)
        output = linear(names.output, c.width, c.width)
        attentionNorm = norm(names.attentionNorm)
        up = linear(names.up, c.width, c.feedForwardWidth)
        down = linear(names.down, c.feedForwardWidth, c.width)
        outputNorm = norm(names.outputNorm)
    }

    func callAsFunction(_ x: Tensor, _ mask: Tensor?, _ context: SequenceContext) -> Tensor {
        unit.run([x]) { inputs in
            let x = inputs[0]
            let attended = attentionNorm(x + drop(output(attend(x, mask, context)), context))
            let inner = down(configuration.activation(up(attended)))
            return outputNorm(attended + drop(inner, context))
        }
    }

    private func attend(_ x: Tensor, _ mask: Tensor?, _ context: SequenceContext) -> Tensor {
        let (batch, length, heads) = (x.size(0), x.size(1), configuration.headCount)
        func split(_ x: Tensor) -> Tensor {
            x.reshape(batch, length, heads, configuration.width / heads).transpose(1, 2)
        }
        var options = Tensor.AttentionOptions()
        options.mask = mask
        options.dropout = context.isTraining ? configuration.attentionDropout : 0
        let mixed = split(query(x)).attention(
            key: split(key(x)), value: split(value(x)), options: options)
        return mixed.transpose(1, 2).reshape(batch, length, configuration.width)
    }

    private func drop(_ x: Tensor, _ context: SequenceContext) -> Tensor {
        x.dropout(configuration.dropout, isTraining: context.isTraining)
    }
}

/// What turns hidden states into logits of masked tokens: a layer, a norm, the embedding's weight
/// and a bias.
private struct MaskedTokenHead {
    let unit: Unit
    let bias: Parameter
    /// nil: the embedding's.
    let weight: Parameter?
    private let dense: Linear
    private let norm: LayerNorm
    private let activation: Activation

    init(_ c: BERTConfiguration, in root: Scope) {
        let names = c.names
        let last = root[names.head[0]].asUnit()
        unit = last.unit
        func place(_ path: [String]) -> Scope { path.reduce(root) { $0[$1] }.inUnit(of: last) }
        // Beside a weight of its own it is that layer's; else it stands alone.
        bias = place(c.tiesEmbeddings ? names.head : names.headWeight)
            .parameter("bias", [c.vocabularySize], .zeros)
        dense = Linear(
            c.width, c.width, bias: true, initializer: c.initializer,
            in: place(names.headTransform).withoutUpdates())
        norm = LayerNorm(c.width, epsilon: c.normEpsilon, in: place(names.headNorm))
        weight =
            c.tiesEmbeddings
            ? nil
            : place(names.headWeight).parameter(
                "weight", [c.vocabularySize, c.width], c.initializer)
        // RoBERTa and DistilBERT use GELU here, whatever the layers do.
        activation = c.kind == .bert ? c.activation : .gelu
    }

    func transform(_ hidden: Tensor) -> Tensor { norm(activation(dense(hidden))) }
}

extension SequenceContext {
    /// Which keys all queries of an encoder see, bool `[batch, 1, length or 1, length]`; nil: all.
    fileprivate var mutualMask: Tensor? {
        let valid = keyIsValid?.unsqueeze(1).unsqueeze(1)
        guard let documents else { return valid }
        let same = documents.unsqueeze(-1).isEqual(to: documents.unsqueeze(-2)).unsqueeze(1)
        return valid.map { same * $0 } ?? same
    }
}

// MARK: - Names

extension BERTConfiguration {
    fileprivate var initializer: Initializer { .normal(standardDeviation: initializerDeviation) }

    /// Where the files of a kind have the parts.
    fileprivate struct Names {
        var model: String
        var layers = "encoder"
        var query = ["attention", "self", "query"]
        var key = ["attention", "self", "key"]
        var value = ["attention", "self", "value"]
        var output = ["attention", "output", "dense"]
        var attentionNorm = ["attention", "output", "LayerNorm"]
        var up = ["intermediate", "dense"]
        var down = ["output", "dense"]
        var outputNorm = ["output", "LayerNorm"]
        var head = ["cls", "predictions"]
        var headTransform = ["cls", "predictions", "transform", "dense"]
        var headNorm = ["cls", "predictions", "transform", "LayerNorm"]
        var headWeight = ["cls", "predictions", "decoder"]
    }

    fileprivate var names: Names {
        switch kind {
        case .bert: return Names(model: "bert")
        case .roberta:
            var names = Names(model: "roberta")
            names.head = ["lm_head"]
            names.headTransform = ["lm_head", "dense"]
            names.headNorm = ["lm_head", "layer_norm"]
            names.headWeight = ["lm_head", "decoder"]
            return names
        case .distilbert:
            var names = Names(model: "distilbert", layers: "transformer")
            names.query = ["attention", "q_lin"]
            names.key = ["attention", "k_lin"]
            names.value = ["attention", "v_lin"]
            names.output = ["attention", "out_lin"]
            names.attentionNorm = ["sa_layer_norm"]
            names.up = ["ffn", "lin1"]
            names.down = ["ffn", "lin2"]
            names.outputNorm = ["output_layer_norm"]
            names.head = ["vocab_projector"]
            names.headTransform = ["vocab_transform"]
            names.headNorm = ["vocab_layer_norm"]
            names.headWeight = ["vocab_projector"]
            return names
        }
    }
}

// MARK: - config.json

extension BERTConfiguration {
    static let modelTypes = ["bert", "roberta", "xlm-roberta", "distilbert"]

    init(_ reader: ConfigurationReader, modelType: String) throws(FileError) {
        typealias Limit = ConfigurationReader.Limit
        let isDistilled = modelType == "distilbert"
        kind = isDistilled ? .distilbert : modelType == "bert" ? .bert : .roberta
        func key(_ usual: String, _ distilled: String) -> String { isDistilled ? distilled : usual }
        vocabularySize = try reader.size("vocab_size", upTo: Limit.rows, default: 30_522)
        width = try reader.size(key("hidden_size", "dim"), default: 768)
        feedForwardWidth = try reader.size(key("intermediate_size", "hidden_dim"), default: 3072)
        layerCount = try reader.size(
            key("num_hidden_layers", "n_layers"), upTo: Limit.layers, default: isDistilled ? 6 : 12)
        headCount = try reader.size(key("num_attention_heads", "n_heads"), default: 12)
        guard width.isMultiple(of: headCount) else {
            throw reader.unsupported(
                key("num_attention_heads", "n_heads"), "\(headCount)",
                allowed: "divisors of the width \(width)")
        }
        positionCount = try reader.size(
            "max_position_embeddings", upTo: Limit.rows, default: 512)
        firstPosition = kind == .roberta ? (try reader.int("pad_token_id") ?? 1) + 1 : 0
        guard (0..<positionCount).contains(firstPosition) else {
            throw reader.unsupported(
                "pad_token_id", "\(firstPosition - 1)", allowed: "ids below the position count")
        }
        tokenTypeCount = 0
        if !isDistilled { tokenTypeCount = try reader.size("type_vocab_size", default: 2) }
        activation = try reader.activation(key("hidden_act", "activation"), default: .gelu)
        normEpsilon = 1e-12
        if !isDistilled { normEpsilon = try reader.magnitude("layer_norm_eps", default: 1e-12) }
        dropout = try reader.probability(key("hidden_dropout_prob", "dropout"), default: 0.1)
        attentionDropout = try reader.probability(
            key("attention_probs_dropout_prob", "attention_dropout"), default: 0.1)
        classifierDropout = try reader.probability(
            key("classifier_dropout", "seq_classif_dropout"), default: isDistilled ? 0.2 : dropout)
        tiesEmbeddings = try reader.bool("tie_word_embeddings", default: true)
        initializerDeviation = try reader.magnitude("initializer_range", default: 0.02)
        if try reader.bool("is_decoder", default: false) {
            throw reader.unsupported("is_decoder", "true", allowed: "false")
        }
    }
}
