/// The split pattern of o200k, which GPT-4o, gpt-oss and Llama 4 share:
/// `[^\r\n\p{L}\p{N}]?U*W+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|`
/// `[^\r\n\p{L}\p{N}]?U+W*(?i:...)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|`
/// `\s+(?!\S)|\s+`, with `U` for `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and `W` for
/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`.
struct O200KScanner: PieceScanner {
    private static let caseless: CategorySet = [CategorySet(.lm, .lo), .mark]
    private static let upper: CategorySet = [CategorySet(.lu, .lt), caseless]
    private static let lower: CategorySet = [CategorySet(.ll), caseless]

    private let runs = ScalarRuns()
    private let table = ScalarTable.shared

    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let (first, length) = text.scalar(at: start)
        let kind = runs.splitClass(first)
        if kind == .number { return runs.numberEnd(limit: 3, in: text, from: start, to: end) }
        let hasPrefix = kind != .letter && !runs.isLineBreak(text[start])
        let afterPrefix = hasPrefix ? start + length : start
        if let wordEnd = wordEnd(in: text, from: afterPrefix, to: end)
            ?? (hasPrefix ? wordEnd(in: text, from: start, to: end) : nil)
            ?? capitalsEnd(in: text, from: afterPrefix, to: end)
        {
            return wordEnd
                + Contraction.length(in: text, from: wordEnd, to: end, ignoringCase: true)
        }
        let symbols = text[start] == UInt8(ascii: " ") ? start + 1 : start
        var index = runs.runEnd(of: .other, in: text, from: symbols, to: end)
        guard index > symbols else { return runs.lineOrSpaceEnd(in: text, from: start, to: end) }
        while index < end, runs.isLineBreak(text[index]) || text[index] == UInt8(ascii: "/") {
            index += 1
        }
        return index
    }

    /// `U*W+`: where capitals run up to the end, they give back all behind the last letter without
    /// case.
    private func wordEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int? {
        var index = start
        var caselessEnd: Int?
        while index < end {
            let (scalar, length) = text.scalar(at: index)
            guard table.contains(scalar, in: Self.upper) else { break }
            index += length
            if table.contains(scalar, in: Self.caseless) { caselessEnd = index }
        }
        let lowerEnd = runEnd(of: Self.lower, in: text, from: index, to: end)
        return lowerEnd > index ? lowerEnd : caselessEnd
    }

    /// `U+`; no `W` follows, for then ``wordEnd(in:from:to:)`` would have matched.
    private func capitalsEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int? {
        let runEnd = runEnd(of: Self.upper, in: text, from: start, to: end)
        return runEnd > start ? runEnd : nil
    }

    private func runEnd(
        of set: CategorySet, in text: UnsafePointer<UInt8>, from start: Int, to end: Int
    ) -> Int {
        var index = start
        while index < end {
            let (scalar, length) = text.scalar(at: index)
            guard table.contains(scalar, in: set) else { break }
            index += length
        }
        return index
    }
}
