public import ApusBase
internal import ApusNN
internal import ApusTensor

/// How far and how to generate.
public struct GenerationOptions: Sendable {
    public var sampling = SamplingOptions.greedy
    public var maximumNewTokens = 256
    /// Before these are produced no stop token is chosen.
    public var minimumNewTokens = 0
    /// Tokens that end a row; the one that did is the last of its ids.
    public var stopIDs: Set<Int> = []
    public var seed: UInt64 = 0

    public init() {}
}

/// A row that was generated.
public struct GeneratedRow: Sendable, Hashable {
    public enum Ending: Sendable, Hashable {
        case stopToken, lengthLimit, positionLimit, caller
    }

    /// Without the prompt.
    public var tokenIDs: [Int]
    public var ending: Ending
}

/// Why generation could not begin or had to end.
public struct GenerationError: OperationalError {
    public let summary: String
    public var likelyCause: String?
    public var remedy: String?
}

/// Continues prompts token by token with a key-value cache; several at once by padding on the left.
public struct TokenGenerator {
    public let model: any LanguageModel
    public let options: GenerationOptions

    public init(_ model: any LanguageModel, _ options: GenerationOptions) {
        self.model = model
        self.options = options
    }

    /// Continues each prompt; rows do not influence each other.
    ///
    /// - onToken: called with each row's new token at once; false ends that row
    ///
    /// Throws ``GenerationError`` for prompts that the model cannot take, and `TensorError` when
    /// memory runs out.
    public func generate(
        _ prompts: [[Int]], onToken: (_ row: Int, _ id: Int) -> Bool = { _, _ in true }
    ) throws -> [GeneratedRow] {
        try check(prompts)
        if prompts.isEmpty { return [] }
        return try catchingTensorErrors {
            withoutGradient { run(prompts, onToken) }
        }
    }

    private func check(_ prompts: [[Int]]) throws(GenerationError) {
        guard model.predictsNextToken else {
            throw GenerationError(
                summary: "this model is an encoder and continues no text",
                remedy: "use a decoder, such as a Llama")
        }
        if let problem = options.sampling.problem { throw GenerationError(summary: problem) }
        guard options.maximumNewTokens >= 0 else {
            throw GenerationError(summary: "\(options.maximumNewTokens) new tokens were asked for")
        }
        for prompt in prompts {
            if prompt.isEmpty {
                throw GenerationError(
                    summary: "the prompt has no tokens",
                    remedy: "give some text, or the token with which the model's texts begin")
            }
            if let id = prompt.first(where: { !(0..<model.vocabularySize).contains($0) }) {
                throw GenerationError(
                    summary:
                        "token \(id) is not in the model's vocabulary of \(model.vocabularySize)",
                    likelyCause: "the tokenizer belongs to another model")
            }
            if let limit = model.positionLimit, prompt.count > limit {
                throw GenerationError(
                    summary: "the prompt has \(prompt.count) tokens; the model takes \(limit)",
                    remedy: "shorten the prompt")
            }
        }
    }

    private func run(_ prompts: [[Int]], _ onToken: (Int, Int) -> Bool) -> [GeneratedRow] {
        var rows = prompts.enumerated().map { index, prompt in
            Row(prompt: prompt, Sampler(options.sampling, seed: options.seed, stream: index))
        }
        let batch = PaddedBatch(prompts)
        let capacity = batch.length + options.maximumNewTokens
        let cache = KeyValueCache(layerCount: model.layerCount, capacity: capacity)
        var input = batch.tokens
        for step in 0..<options.maximumNewTokens {
            let logits = lastLogits(input, batch.context(step: step, cache: cache))
            let next = choose(logits, &rows)
            for index in rows.indices where rows[index].ending == nil {
                let goesOn = onToken(index, next[index])
                rows[index].append(next[index], goesOn, options, limit: model.positionLimit)
            }
            if rows.allSatisfy({ $0.ending != nil }) { break }
            input = Tensor(next, shape: [rows.count, 1])
        }
        return rows.map { GeneratedRow(tokenIDs: $0.produced, ending: $0.ending ?? .lengthLimit) }
    }

    /// Logits `[rows, vocabulary]` after the last token of each row.
    private func lastLogits(_ tokens: Tensor, _ context: SequenceContext) -> Tensor {
        let hidden = model.hiddenStates(tokens, context)
        let last = hidden.select(1, hidden.size(1) - 1)
        return model.logits(ofHidden: last)
    }

    /// The next token of every row; rows that ended get any.
    private func choose(_ logits: Tensor, _ rows: inout [Row]) -> [Int] {
        if options.sampling.isPlain, options.minimumNewTokens == 0 {
            return logits.argmax(-1).ints()
        }
        return rows.indices.map { index in
            guard rows[index].ending == nil else { return 0 }
            return rows[index].choose(logits[index], options)
        }
    }
}

/// One row on its way.
private struct Row {
    let prompt: [Int]
    var produced: [Int] = []
    var ending: GeneratedRow.Ending?
    private var sampler: Sampler

    init(prompt: [Int], _ sampler: Sampler) {
        self.prompt = prompt
        self.sampler = sampler
    }

    mutating func choose(_ logits: Tensor, _ options: GenerationOptions) -> Int {
        let mayStop = produced.count >= options.minimumNewTokens
        return sampler.choose(
            logits, after: prompt + produced, forbidding: mayStop ? [] : options.stopIDs)
    }

    mutating func append(_ id: Int, _ goesOn: Bool, _ options: GenerationOptions, limit: Int?) {
        produced.append(id)
        if options.stopIDs.contains(id) {
            ending = .stopToken
        } else if !goesOn {
            ending = .caller
        } else if produced.count == options.maximumNewTokens {
            ending = .lengthLimit
        } else if let limit, prompt.count + produced.count > limit {
            ending = .positionLimit
        }
    }
}

/// Prompts side by side, the shorter ones padded on the left, so that all end in the last column.
private struct PaddedBatch {
    let tokens: Tensor
    let length: Int
    private let padding: [Int]

    init(_ prompts: [[Int]]) {
        let length = prompts.map(\.count).max() ?? 0
        padding = prompts.map { length - $0.count }
        let padded = zip(padding, prompts).flatMap { Array(repeating: 0, count: $0) + $1 }
        tokens = Tensor(padded, shape: [prompts.count, length])
        self.length = length
    }

    /// What the forward pass of a step knows: the whole prompts in step 0, one token a row
    /// afterwards.
    func context(step: Int, cache: KeyValueCache) -> SequenceContext {
        var context = SequenceContext(cache: cache)
        guard padding.contains(where: { $0 > 0 }) else { return context }
        let columns = step == 0 ? 0..<length : length + step - 1..<length + step
        let positions = padding.flatMap { padding in columns.map { max($0 - padding, 0) } }
        context.positions = Tensor(positions, shape: [padding.count, columns.count])
        let all = Tensor.arange(0, Double(columns.upperBound), dtype: .int64).unsqueeze(0)
        context.keyIsValid = all.isGreaterOrEqual(to: Tensor(padding).unsqueeze(-1))
        return context
    }
}
