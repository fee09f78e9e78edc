public import ApusBase

/// The end at which tokens go or come.
public enum EncodingSide: String, Sendable, Hashable {
    case left = "Left"
    case right = "Right"
}

/// How long texts are cut: `truncation` of `tokenizer.json`.
public struct Truncation: Sendable, Hashable {
    /// Which text of a pair is cut.
    public enum Strategy: String, Sendable, Hashable {
        /// The longer one, down to the length of the other, and then both.
        case longestFirst = "LongestFirst"
        case onlyFirst = "OnlyFirst"
        case onlySecond = "OnlySecond"
    }

    /// In tokens, with those that are added around a text.
    public var maximumLength: Int
    /// Tokens that a window shares with the one before.
    public var stride = 0
    /// Where tokens go; from the left, the first window is the end of the text.
    public var side = EncodingSide.right
    public var strategy = Strategy.longestFirst

    public init(maximumLength: Int) { self.maximumLength = maximumLength }

    /// The tokens of each window of one text or of two, when `added` tokens join every one of them.
    ///
    /// - Parameter counts: the tokens of each text.
    func windows(of counts: [Int], added: Int) throws(TruncationError) -> [[Range<Int>]] {
        let limit = maximumLength - added
        guard limit > 0 else {
            throw TruncationError(
                "\(maximumLength) tokens leave no room beside \(added) added ones")
        }
        var windows: [[Range<Int>]] = []
        for (count, length) in zip(counts, try lengths(of: counts, limit)) {
            guard length < count else {
                windows.append([0..<count])
                continue
            }
            guard stride < length else {
                throw TruncationError(
                    "windows with \(length) tokens of a text cannot share \(stride)")
            }
            windows.append(self.windows(of: count, length))
        }
        return windows
    }

    /// How many tokens of each text stay.
    private func lengths(of counts: [Int], _ limit: Int) throws(TruncationError) -> [Int] {
        let excess = counts.reduce(0, +) - limit
        guard excess > 0 else { return counts }
        if strategy == .longestFirst { return longestFirst(counts, limit) }
        let index = strategy == .onlyFirst ? 0 : 1
        guard index < counts.count else {
            throw TruncationError("only second texts are to be cut, and there is none")
        }
        guard counts[index] > excess else {
            throw TruncationError(
                "the text has \(counts[index]) tokens, and \(excess) would have to go")
        }
        var lengths = counts
        lengths[index] -= excess
        return lengths
    }

    private func longestFirst(_ counts: [Int], _ limit: Int) -> [Int] {
        guard counts.count == 2 else { return [limit] }
        let shorter = counts[0] <= counts[1] ? 0 : 1
        var (short, long) = (counts[shorter], max(counts[shorter], limit - counts[shorter]))
        if short + long > limit { (short, long) = (limit / 2, limit / 2 + limit % 2) }
        return shorter == 0 ? [short, long] : [long, short]
    }

    private func windows(of count: Int, _ length: Int) -> [Range<Int>] {
        var windows: [Range<Int>] = []
        var start = 0
        while windows.last?.upperBound != count {
            windows.append(start..<min(start + length, count))
            start += length - stride
        }
        guard side == .left else { return windows }
        return windows.map { count - $0.upperBound..<count - $0.lowerBound }
    }
}

/// A text that cannot be cut as asked.
public struct TruncationError: OperationalError, Hashable {
    public let problem: String

    init(_ problem: String) { self.problem = problem }

    public var summary: String { "truncation: " + problem }
    public var likelyCause: String? { "the maximum length is too small" }
    public var remedy: String? { "raise it, or lower the stride" }
}

/// How the texts of a batch are brought to one length: `padding` of `tokenizer.json`.
public struct Padding: Sendable, Hashable {
    /// The padding token.
    public var id: Int32
    public var typeID: Int32 = 0
    public var side = EncodingSide.right
    /// Every text has at least so many tokens; nil for the length of the longest.
    public var length: Int?
    /// Lengths are multiples of it.
    public var multiple: Int?

    public init(id: Int32) { self.id = id }

    /// Fills encodings up to one length; offsets of the padding are empty.
    ///
    /// - Returns: the encodings, and for each token whether it is text and not padding.
    public func apply(
        to encodings: [Encoding]
    ) -> (encodings: [Encoding], attentionMasks: [[Bool]]) {
        var target = length ?? encodings.map(\.ids.count).max() ?? 0
        if let multiple, multiple > 0 { target = (target + multiple - 1) / multiple * multiple }
        var padded: [Encoding] = []
        var masks: [[Bool]] = []
        for encoding in encodings {
            let missing = max(target - encoding.ids.count, 0)
            let isLeft = side == .left
            func fill<Value>(_ values: [Value], _ padding: Value) -> [Value] {
                let more = [Value](repeating: padding, count: missing)
                return isLeft ? more + values : values + more
            }
            var result = Encoding()
            result.ids = fill(encoding.ids, id)
            result.offsets = fill(encoding.offsets, 0..<0)
            result.typeIDs = fill(encoding.typeIDs, typeID)
            result.texts = encoding.texts.map {
                isLeft ? $0.lowerBound + missing..<$0.upperBound + missing : $0
            }
            padded.append(result)
            masks.append(fill([Bool](repeating: true, count: encoding.ids.count), false))
        }
        return (padded, masks)
    }
}

