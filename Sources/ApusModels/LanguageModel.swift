internal import ApusBase
public import ApusNN
public import ApusTensor

/// A decoder that predicts the next token.
public protocol LanguageModel: AnyObject {
    var store: ParameterStore { get }
    var vocabularySize: Int { get }
    /// The longest sequence that positions exist for; nil when nothing limits it.
    var positionLimit: Int? { get }
    var layerCount: Int { get }

    /// Logits are bent into this range on both sides (Gemma 2); nil: not at all.
    var logitSoftCap: Double? { get }

    /// Tokens `[batch, length]` (int64) -> `[batch, length, width]` after the last norm.
    func hiddenStates(_ tokens: Tensor, _ context: SequenceContext) -> Tensor

    /// The weight `[vocabulary, width]` that turns hidden states into logits.
    var head: Tensor { get }

    /// The low-rank update of the head; nil: none.
    var headUpdate: LowRankUpdate? { get }
}

extension LanguageModel {
    public var logitSoftCap: Double? { nil }

    /// Tokens `[batch, length]` -> logits `[batch, length, vocabulary]`.
    public func logits(_ tokens: Tensor, _ context: SequenceContext = SequenceContext()) -> Tensor {
        logits(ofHidden: hiddenStates(tokens, context))
    }

    /// Hidden states `[..., width]` -> logits `[..., vocabulary]`.
    func logits(ofHidden hidden: Tensor) -> Tensor {
        let (hidden, weight) = headUpdate?.joined(hidden, head) ?? (hidden, head)
        let logits = hidden.linear(weight: weight)
        guard let logitSoftCap else { return logits }
        return (logits / logitSoftCap).tanh() * logitSoftCap
    }

    /// The sum of the losses of all tokens that have a label, each label belonging to its own
    /// position: the model predicts label i from the tokens before it.
    ///
    /// - tokens, labels: `[batch, length]` int64; -100 counts nothing
    public func lossSum(
        tokens: Tensor, labels: Tensor, _ context: SequenceContext = SequenceContext()
    ) -> Tensor {
        let length = tokens.size(1)
        precondition(length > 1, "lossSum: a sequence of \(length) tokens predicts nothing")
        let states = hiddenStates(tokens, context).slice(1, 0..<length - 1)
        let (hidden, weight) = headUpdate?.joined(states, head) ?? (states, head)
        let targets = labels.slice(1, 1..<length).reshape(-1)
        return languageModelLoss(
            hidden: hidden.reshape(-1, hidden.size(-1)), head: weight, labels: targets,
            softCap: logitSoftCap)
    }
}

/// What a forward pass knows of its tokens beside the tokens themselves.
public struct SequenceContext {
    /// Positions `[batch, length]`; nil: counted from what is cached.
    public var positions: Tensor?
    /// Packed rows: tokens see only tokens of the same number, `[batch, length]`.
    public var documents: Tensor?
    /// False for padding keys, `[batch, key length]` bool.
    public var keyIsValid: Tensor?
    /// Keys and values of earlier tokens; new ones are added.
    public var cache: KeyValueCache?
    public var isTraining: Bool

    public init(isTraining: Bool = false, cache: KeyValueCache? = nil) {
        self.isTraining = isTraining
        self.cache = cache
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
