/// Writes spaces as a visible character and cuts before each, as SentencePiece does: `Metaspace`.
struct MetaspaceStage: TextStage {
    enum Prepending: String, Sendable {
        /// Only the segment at the very beginning of the text gets one in front.
        case first
        case never
        case always
    }

    let replacement: UInt32
    let prepending: Prepending
    let splits: Bool

    func apply(to text: inout PreparedText) {
        let original = text
        text.rewritePieces { old, piece, rewriter in
            guard let base = old.baseAddress else { return }
            let (first, length) = base.scalar(at: piece.lowerBound)
            let isMarked = first == 0x20 || first == replacement
            let isStart = original.sourceRange(of: piece).lowerBound == 0
            if !isMarked, prepending == .always || prepending == .first && isStart {
                rewriter.append(
                    scalar: replacement, from: piece.lowerBound..<piece.lowerBound + length)
            }
            for index in piece {
                if old[index] == 0x20 {
                    rewriter.append(scalar: replacement, from: index..<index + 1)
                } else {
                    rewriter.copy(index..<index + 1, of: old)
                }
            }
        }
        guard splits else { return }
        var pattern: [UInt8] = []
        pattern.append(scalar: replacement)
        SplitStage(pattern: .literal(pattern), behavior: .mergedWithNext).apply(to: &text)
    }
}
