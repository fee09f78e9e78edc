extension Tokenizer {
    /// The tokens of a text in windows of at most so many tokens, each as a text of its own; the
    /// first is what a model reads that is given no more. One window for a text that fits.
    ///
    /// Throws ``TruncationError`` where no window can be so short.
    public func encodeWindows(
        _ text: String, truncation: Truncation, addSpecialTokens: Bool = true
    ) throws(TruncationError) -> [Encoding] {
        try windows(of: [text], truncation, addSpecialTokens)
    }

    /// The tokens of two texts as one input.
    public func encodePair(
        _ first: String, _ second: String, addSpecialTokens: Bool = true
    ) -> Encoding {
        let texts = [first, second].map { text in
            let source = Array(text.utf8)
            return pipeline.trim(rawEncoding(of: source), of: source)
        }
        return pipeline.postProcessor.wrap(texts, addSpecialTokens: addSpecialTokens)
    }

    /// The tokens of two texts in inputs of at most so many tokens. The first is what a model reads
    /// that is given no more; the others have the later windows of the text that comes first in
    /// the input, each with every window of the second, and then the later windows of the second
    /// alone.
    ///
    /// Throws ``TruncationError`` where no window can be so short.
    public func encodePairWindows(
        _ first: String, _ second: String, truncation: Truncation, addSpecialTokens: Bool = true
    ) throws(TruncationError) -> [Encoding] {
        try windows(of: [first, second], truncation, addSpecialTokens)
    }

    private func windows(
        of texts: [String], _ truncation: Truncation, _ addSpecialTokens: Bool
    ) throws(TruncationError) -> [Encoding] {
        let sources = texts.map { Array($0.utf8) }
        let whole = sources.map { rawEncoding(of: $0) }
        let processor = pipeline.postProcessor
        let added = addSpecialTokens ? processor.addedCount(for: texts.count) : 0
        let windows = try truncation.windows(of: whole.map(\.ids.count), added: added)
        return combinations(windows.map(\.count)).map { choice in
            let parts = choice.indices.map { index in
                let window = windows[index][choice[index]]
                var part = Encoding()
                part.ids = Array(whole[index].ids[window])
                part.offsets = Array(whole[index].offsets[window])
                return pipeline.trim(part, of: sources[index])
            }
            return processor.wrap(parts, addSpecialTokens: addSpecialTokens)
        }
    }

    /// Which window of each text, in the reference library's order.
    private func combinations(_ counts: [Int]) -> [[Int]] {
        guard counts.count == 2 else { return (0..<counts[0]).map { [$0] } }
        let isSwapped = pipeline.postProcessor.template.beginsWithSecond
        let (outer, inner) = isSwapped ? (counts[1], counts[0]) : (counts[0], counts[1])
        let later = (1..<max(outer, 1)).flatMap { first in (0..<inner).map { [first, $0] } }
        let all = [[0, 0]] + later + (1..<max(inner, 1)).map { [0, $0] }
        return isSwapped ? all.map { [$0[1], $0[0]] } : all
    }
}

extension PostProcessor.Template {
    /// Whether the second text of a pair comes before the first.
    fileprivate var beginsWithSecond: Bool {
        for case .text(let index, _) in pair { return index == 1 }
        return false
    }
}
