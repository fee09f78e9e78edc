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

    var readsSource: Bool { prepending == .first }

    func apply(to text: inout PreparedText) {
        let original = text
        text.rewritePieces { old, piece, rewriter in
            guard let base = old.baseAddress else { return }
            let (first, length) = base.scalar(at: piece.lowerBound)
            let isMarked = first == 0x20 || first == replacement
            if !isMarked, marks(piece, of: original) {
                rewriter.append(
                    scalar: replacement, from: piece.lowerBound..<piece.lowerBound + length)
            }
            var copied = piece.lowerBound
            for index in piece where old[index] == 0x20 {
                rewriter.copy(copied..<index, of: old)
                rewriter.append(scalar: replacement, from: index..<index + 1)
                copied = index + 1
            }
            rewriter.copy(copied..<piece.upperBound, of: old)
        }
        if splits { text.split(with: MarkScanner(mark: replacement)) }
    }

    private func marks(_ piece: Range<Int>, of text: PreparedText) -> Bool {
        switch prepending {
        case .always: true
        case .never: false
        case .first: text.sourceRange(of: piece).lowerBound == 0
        }
    }
}

/// Cuts before every mark.
struct MarkScanner: PieceScanner {
    let mark: UInt32

    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        repeat { index += text.scalar(at: index).length } while index < end
            && text.scalar(at: index).value != mark
        return index
    }
}
