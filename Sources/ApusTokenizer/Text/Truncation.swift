/// The end at which tokens go or come.
public enum EncodingSide: String, Sendable, Hashable {
    case left = "Left"
    case right = "Right"
}

/// How long texts are cut: `truncation` of `tokenizer.json`.
public struct Truncation: Sendable, Hashable {
    /// In tokens, with those that are added around a text.
    public var maximumLength: Int
    /// Tokens that a window shares with the one before.
    public var stride = 0
    /// Where tokens go; from the left, the first window is the end of the text.
    public var side = EncodingSide.right

    public init(maximumLength: Int) { self.maximumLength = maximumLength }

    /// The tokens of each window when `added` tokens join every one of them.
    func windows(of count: Int, added: Int) -> [Range<Int>] {
        let length = maximumLength - added
        precondition(
            length > 0 && stride >= 0 && stride < length,
            "Truncation: the stride must be less than the tokens of the text in a window")
        guard count > length else { return [0..<count] }
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

/// How the texts of a batch are brought to one length: `padding` of `tokenizer.json`.
public struct Padding: Sendable, Hashable {
    /// The padding token.
    public var id: Int32
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
            let ids = [Int32](repeating: id, count: missing)
            let offsets = [Range<Int>](repeating: 0..<0, count: missing)
            let text = [Bool](repeating: true, count: encoding.ids.count)
            let none = [Bool](repeating: false, count: missing)
            var result = Encoding()
            result.ids = side == .left ? ids + encoding.ids : encoding.ids + ids
            result.offsets = side == .left ? offsets + encoding.offsets : encoding.offsets + offsets
            padded.append(result)
            masks.append(side == .left ? none + text : text + none)
        }
        return (padded, masks)
    }
}

extension Tokenizer {
    /// The tokens of a text in windows of at most so many tokens, each as a text of its own; the
    /// first is what a model reads that is given no more. One window for a text that fits.
    public func encodeWindows(
        _ text: String, truncation: Truncation, addSpecialTokens: Bool = true
    ) -> [Encoding] {
        let source = Array(text.utf8)
        let whole = rawEncoding(of: source)
        let added = addSpecialTokens ? pipeline.postProcessor.addedCount : 0
        return truncation.windows(of: whole.ids.count, added: added).map { window in
            var part = Encoding()
            part.ids = Array(whole.ids[window])
            part.offsets = Array(whole.offsets[window])
            return pipeline.finish(part, of: source, addSpecialTokens: addSpecialTokens)
        }
    }
}
