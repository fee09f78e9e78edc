/// The split pattern of GPT-2:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
///
/// Source: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), its
/// published encoder; the same as the `ByteLevel` pre-tokenizer's.
struct GPT2Scanner: PieceScanner {
    private let runs = ScalarRuns()

    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let contraction = Contraction.length(in: text, from: start, to: end, ignoringCase: false)
        if contraction > 0 { return start + contraction }
        let word = text[start] == UInt8(ascii: " ") ? start + 1 : start
        if word < end {
            let kind = runs.splitClass(in: text, at: word)
            if kind != .space { return runs.runEnd(of: kind, in: text, from: word, to: end) }
        }
        return runs.whiteSpaceEnd(in: text, from: start, to: end)
    }
}

/// The split pattern of cl100k and its kin, with `digitLimit` 3 for Llama 3 and 1 for Qwen2 and
/// Qwen3: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
/// ?[^\s\p{L}\p{N}]+[\r\n]*|` `\s*[\r\n]+|\s+(?!\S)|\s+`.
struct CL100KScanner: PieceScanner {
    let digitLimit: Int
    private let runs = ScalarRuns()

    init(digitLimit: Int) { self.digitLimit = digitLimit }

    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let contraction = Contraction.length(in: text, from: start, to: end, ignoringCase: true)
        if contraction > 0 { return start + contraction }
        let (first, length) = text.scalar(at: start)
        let kind = runs.splitClass(first)
        if kind == .letter { return runs.runEnd(of: .letter, in: text, from: start, to: end) }
        if kind == .number {
            return runs.numberEnd(limit: digitLimit, in: text, from: start, to: end)
        }
        let next = start + length
        if !runs.isLineBreak(text[start]), next < end,
            runs.splitClass(in: text, at: next) == .letter
        {
            return runs.runEnd(of: .letter, in: text, from: next, to: end)
        }
        let symbols = text[start] == UInt8(ascii: " ") ? next : start
        let symbolEnd = runs.runEnd(of: .other, in: text, from: symbols, to: end)
        if symbolEnd > symbols { return runs.lineBreakEnd(in: text, from: symbolEnd, to: end) }
        return runs.lineOrSpaceEnd(in: text, from: start, to: end)
    }
}

/// Cuts numbers from the rest, each alone or in runs: the `Digits` pre-tokenizer.
struct DigitScanner: PieceScanner {
    let isolatesEach: Bool
    private let table = ScalarTable.shared

    init(isolatesEach: Bool) { self.isolatesEach = isolatesEach }

    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let (first, length) = text.scalar(at: start)
        let isNumber = table.isNumeric(first)
        var index = start + length
        if isNumber, isolatesEach { return index }
        while index < end {
            let (value, length) = text.scalar(at: index)
            guard table.isNumeric(value) == isNumber else { break }
            index += length
        }
        return index
    }
}

/// A stage that cuts with one scanner.
struct ScannerStage<Scanner: PieceScanner>: TextStage {
    let scanner: Scanner

    func apply(to text: inout PreparedText) { text.split(with: scanner) }
}

/// Puts one space before every segment that does not begin with one: `add_prefix_space`.
struct PrefixSpaceStage: TextStage {
    func apply(to text: inout PreparedText) {
        let needsSpace = text.pieces.contains { text.bytes[$0.lowerBound] != UInt8(ascii: " ") }
        guard needsSpace else { return }
        text.rewritePieces { old, piece, rewriter in
            if old[piece.lowerBound] != UInt8(ascii: " ") {
                let (_, length) = old.baseAddress!.scalar(at: piece.lowerBound)
                let first = piece.lowerBound..<piece.lowerBound + length
                rewriter.append(byte: UInt8(ascii: " "), from: first)
            }
            rewriter.copy(piece, of: old)
        }
    }
}
