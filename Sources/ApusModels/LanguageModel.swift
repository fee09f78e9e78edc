internal import ApusBase
public import ApusNN
public import ApusTensor

/// A transformer over tokens: a decoder that predicts the next one, or an encoder that predicts
/// those that are masked.
public protocol LanguageModel: AnyObject {
    var store: ParameterStore { get }
    var vocabularySize: Int { get }
    /// Components of a hidden state.
    var width: Int { get }
    /// False for encoders, which predict each token at its own place.
    var predictsNextToken: Bool { get }
    /// The longest sequence that positions exist for; nil when nothing limits it.
    var positionLimit: Int? { get }
    var layerCount: Int { get }

    /// Logits are bent into this range on both sides (Gemma 2); nil: not at all.
    var logitSoftCap: Double? { get }

    /// Tokens `[batch, length]` (int64) -> `[batch, length, width]` after the last norm.
    func hiddenStates(_ tokens: Tensor, _ context: SequenceContext) -> Tensor

    /// The weight `[vocabulary, width]` that turns hidden states into logits.
    var head: Tensor { get }

    /// Hidden states and a weight whose product is the logits before ``logitSoftCap``: what the
    /// loss multiplies in pieces.
    func headOperands(_ hidden: Tensor) -> (hidden: Tensor, weight: Tensor)

    /// The units whose parameters ``headOperands(_:)`` reads: it is called in runs of these only.
    var headUnits: [Unit] { get }
}

extension LanguageModel {
    public var logitSoftCap: Double? { nil }
    public var predictsNextToken: Bool { true }

    /// Tokens `[batch, length]` -> logits `[batch, length, vocabulary]`.
    public func logits(_ tokens: Tensor, _ context: SequenceContext = SequenceContext()) -> Tensor {
        logits(ofHidden: hiddenStates(tokens, context))
    }

    /// Hidden states `[..., width]` -> logits `[..., vocabulary]`.
    func logits(ofHidden hidden: Tensor) -> Tensor {
        headUnits.run([hidden]) { inputs in
            let (hidden, weight) = self.headOperands(inputs[0])
            let logits = hidden.linear(weight: weight)
            guard let softCap = self.logitSoftCap else { return logits }
            return (logits / softCap).tanh() * softCap
        }
    }

    /// The sum of the losses of all tokens that have a label, each label belonging to its own
    /// position: a decoder predicts label i from the tokens before it.
    ///
    /// - tokens, labels: `[batch, length]` int64; -100 counts nothing
    /// - weights: `[batch]` for each sample or `[batch, length]` for each label; nil: one
    public func lossSum(
        tokens: Tensor, labels: Tensor, _ context: SequenceContext = SequenceContext(),
        weights: Tensor? = nil, options: LossOptions = .plain
    ) -> Tensor {
        let (length, shift) = (tokens.size(1), predictsNextToken ? 1 : 0)
        precondition(length > shift, "lossSum: a sequence of \(length) tokens predicts nothing")
        let states = hiddenStates(tokens, context).slice(1, 0..<length - shift)
        let targets = labels.slice(1, shift..<length).reshape(-1)
        let rowWeights = weights.map { weights in
            let each = weights.rank == 1 ? weights.unsqueeze(-1) : weights.slice(1, shift..<length)
            return each.expand([tokens.size(0), length - shift]).reshape(-1)
        }
        return headUnits.run([states]) { inputs in
            let (hidden, weight) = self.headOperands(inputs[0])
            return languageModelLoss(
                hidden: hidden.reshape(-1, hidden.size(-1)), head: weight, labels: targets,
                weights: rowWeights, options: options, softCap: self.logitSoftCap)
        }
    }
}

/// What a forward pass knows of its tokens beside the tokens themselves.
public struct SequenceContext {
    /// Positions `[batch, length]`; nil: counted from what is cached.
    public var positions: Tensor?
    /// Packed rows: tokens see only tokens of the same number, `[batch, length]`.
    public var documents: Tensor?
    /// The segment of each token `[batch, length]` (BERT); nil: the first.
    public var tokenTypes: Tensor?
    /// False for padding keys, `[batch, key length]` bool.
    public var keyIsValid: Tensor?
    /// Keys and values of earlier tokens; new ones are added.
    public var cache: KeyValueCache?
    public var isTraining: Bool
    /// Noise on the embeddings of a training pass, before the root of their number; 0: none.
    ///
    /// Source: Jain et al.: "NEFTune" (2023), algorithm 1.
    public var embeddingNoise = 0.0

    public init(isTraining: Bool = false, cache: KeyValueCache? = nil) {
        self.isTraining = isTraining
        self.cache = cache
    }

    /// Embeddings `[batch, length, width]` with noise, where this pass wants some.
    func addingNoise(to embedded: Tensor) -> Tensor {
        guard isTraining, embeddingNoise > 0 else { return embedded }
        let bound = embeddingNoise / Double(embedded.size(1) * embedded.size(2)).squareRoot()
        let noise = embedded.detached().emptyLike()
        withoutGradient { noise.fillUniformInPlace(-bound..<bound) }
        return embedded + noise
    }

    /// Positions `[batch or 1, length]` of the new tokens.
    func positions(length: Int, device: Device) -> Tensor {
        if let positions { return positions }
        let past = cache?.length ?? 0
        let range = Tensor.arange(
            Double(past), Double(past + length), dtype: .int64, device: device)
        return range.unsqueeze(0)
    }
}
