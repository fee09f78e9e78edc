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
    /// Tokens that are never chosen.
    public var suppressedIDs: Set<Int> = []
    /// No run of so many tokens occurs twice in a text; 0 allows all.
    public var noRepeatLength = 0

    public init() {}

    public static let greedy = SamplingOptions()

    public var isGreedy: Bool { temperature == 0 }

    /// Whether the likeliest token is chosen of logits as they are.
    public var isPlain: Bool {
        isGreedy && repetitionPenalty == 1 && suppressedIDs.isEmpty && noRepeatLength == 0
    }

    /// The first option outside of its range, in words; nil when all is well.
    public var problem: String? {
        if !(temperature >= 0 && temperature.isFinite) { return "temperature is \(temperature)" }
        if let topK, topK < 1 { return "top-k is \(topK)" }
        if let topP, !(topP > 0 && topP <= 1) { return "top-p is \(topP); it should be in (0, 1]" }
        if let minP, !(minP >= 0 && minP <= 1) { return "min-p is \(minP); it should be in [0, 1]" }
        if noRepeatLength < 0 { return "no-repeat length is \(noRepeatLength)" }
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
    ///
    /// - forbidden: tokens that must not come now
    public mutating func choose(
        _ logits: Tensor, after seen: [Int], forbidding forbidden: Set<Int> = []
    ) -> Int {
        let scores = warped(logits, after: seen, forbidding: forbidden)
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
    public func warped(
        _ logits: Tensor, after seen: [Int], forbidding forbidden: Set<Int> = []
    ) -> Tensor {
        var scores = logits.to(.float32)
        if options.repetitionPenalty != 1, !seen.isEmpty { scores = penalized(scores, seen) }
        let excluded = forbidden.union(options.suppressedIDs).union(repeats(seen))
        if !excluded.isEmpty { scores = excluding(excluded, from: scores) }
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

    /// Tokens that would end a run of ``SamplingOptions/noRepeatLength`` tokens that was there.
    private func repeats(_ seen: [Int]) -> Set<Int> {
        let length = options.noRepeatLength
        guard length > 0, seen.count >= length else { return [] }
        let beginning = seen.suffix(length - 1)
        let starts = 0...seen.count - length
        return Set(
            starts.filter { seen[$0..<$0 + length - 1].elementsEqual(beginning) }
                .map { seen[$0 + length - 1] })
    }

    private func excluding(_ ids: Set<Int>, from scores: Tensor) -> Tensor {
        let places = ids.filter { (0..<scores.size(0)).contains($0) }.sorted()
        guard !places.isEmpty else { return scores }
        let nothing = Tensor.full([places.count], -.infinity, device: scores.device)
        return scores.scatter(0, index: Tensor(places).to(device: scores.device), source: nothing)
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
