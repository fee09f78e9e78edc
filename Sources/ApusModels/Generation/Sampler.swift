internal import ApusBase
public import ApusTensor

/// How the next token is chosen: the warpers of HuggingFace's `generate`, in its order.
public struct SamplingOptions: Sendable, Hashable {
    /// Logits of tokens that occurred before are divided by this when positive, multiplied when
    /// negative.
    /// Source: Keskar et al.: "CTRL" (2019), 4.1.
    public var repetitionPenalty = 1.0
    /// What logits are divided by; 0 takes the most likely token.
    public var temperature = 0.0
    /// Only so many of the most likely tokens, and what is as likely as the last of them.
    public var topK: Int?
    /// Only the most likely tokens that together reach this probability. Source: Holtzman et al.
    /// (2019).
    public var topP: Double?
    /// Only tokens with at least this share of the most likely one's probability.
    public var minP: Double?

    public init() {}

    public static let greedy = SamplingOptions()

    public var isGreedy: Bool { temperature == 0 }

    /// The first option outside of its range, in words; nil when all is well.
    public var problem: String? {
        if !(temperature >= 0 && temperature.isFinite) { return "temperature is \(temperature)" }
        if let topK, topK < 1 { return "top-k is \(topK)" }
        if let topP, !(topP > 0 && topP <= 1) { return "top-p is \(topP); it should be in (0, 1]" }
        if let minP, !(minP >= 0 && minP <= 1) { return "min-p is \(minP); it should be in [0, 1]" }
        if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
            return "the repetition penalty is \(repetitionPenalty); it should be positive"
        }
        return nil
    }
}

/// Chooses tokens from logits; a value whose only state is its random sequence.
public struct Sampler: Sendable {
    public let options: SamplingOptions
    private var random: SplitMix64

    /// - stream: rows of a batch draw from sequences of their own, so that a row's tokens depend
    ///   neither on the other rows nor on their number
    public init(_ options: SamplingOptions, seed: UInt64, stream: Int = 0) {
        precondition(options.problem == nil, "Sampler: \(options.problem ?? "")")
        self.options = options
        random = SplitMix64(seed: SplitMix64.mix(seed) ^ SplitMix64.mix(UInt64(stream) &+ 1))
    }

    /// The next token after `seen` (prompt and what was produced), by its logits `[vocabulary]`.
    public mutating func choose(_ logits: Tensor, after seen: [Int]) -> Int {
        let scores = warped(logits, after: seen)
        if options.isGreedy { return scores.argmax().intItem() }
        // In double precision: fp32 sums over a large vocabulary would not reach 1.
        let cumulative = scores.softmax().to(.float64).cumulativeSum(-1)
        let count = cumulative.size(0)
        let threshold = Double.random(in: 0..<1, using: &random) * cumulative[count - 1].item()
        // The first token whose cumulated probability passes the threshold; those of probability 0
        // never.
        let drawn = cumulative.isLessOrEqual(to: threshold).to(.int64).sum().intItem()
        return min(drawn, count - 1)
    }

    /// Logits in fp32 with all warpers applied; what is ruled out is -infinity.
    public func warped(_ logits: Tensor, after seen: [Int]) -> Tensor {
        var scores = logits.to(.float32)
        if options.repetitionPenalty != 1, !seen.isEmpty { scores = penalized(scores, seen) }
        if options.isGreedy { return scores }
        if options.temperature != 1 { scores = scores / options.temperature }
        if let topK = options.topK, topK < scores.size(0) {
            let last = scores.topK(topK).values[topK - 1]
            scores = scores.maskedFill(scores.isLess(than: last), -.infinity)
        }
        if let topP = options.topP, topP < 1 { scores = nucleus(scores, topP) }
        if let minP = options.minP, minP > 0 {
            let probabilities = scores.softmax()
            let bound = probabilities.max() * minP
            scores = scores.maskedFill(probabilities.isLess(than: bound), -.infinity)
        }
        return scores
    }

    private func penalized(_ scores: Tensor, _ seen: [Int]) -> Tensor {
        let ids = Tensor(Array(Set(seen.filter { $0 < scores.size(0) })).sorted())
        let old = scores.gather(0, index: ids)
        let new = Tensor.select(
            old.isLess(than: 0), old * options.repetitionPenalty, old / options.repetitionPenalty)
        return scores.scatter(0, index: ids, source: new)
    }

    /// Drops the unlikely tokens that together have at most 1 - topP; the most likely one always
    /// stays.
    private func nucleus(_ scores: Tensor, _ topP: Double) -> Tensor {
        let (values, order) = scores.sorted()
        let tail = values.softmax().cumulativeSum(-1).isLessOrEqual(to: 1 - topP)
        let count = scores.size(0)
        tail.slice(0, count - 1..<count).fillInPlace(0)
        let dropped = tail.scatter(0, index: order, source: tail)
        return scores.maskedFill(dropped, -.infinity)
    }
}
