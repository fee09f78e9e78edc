/// Greedy longest-match word pieces, as BERT has them; with `splitsWords` off, whole words only
/// (`WordLevel`).
///
/// Source: Wu et al., "Google's Neural Machine Translation System" (2016), section 4.1.
struct WordPieceModel: TokenModel {
    let vocabulary: Vocabulary
    /// Stands for every word that the pieces cannot spell; nil leaves such words out.
    let unknownID: Int32?
    /// Marks pieces inside a word: `##`.
    var continuingPrefix: [UInt8] = []
    /// Longer words, in characters, are unknown at once.
    var characterLimit = 100
    var splitsWords = true

    func makeEncoder() -> any PieceEncoder { CachingEncoder(WordPieceEncoder(self)) }
}

final class WordPieceEncoder: PieceEncoder {
    private let model: WordPieceModel
    private var candidate: [UInt8] = []

    init(_ model: WordPieceModel) { self.model = model }

    func encode(_ piece: ByteBuffer, into run: inout TokenRun) {
        let found = model.splitsWords ? pieces(of: piece) : wholeWord(piece)
        if let found {
            for (id, range) in found {
                run.append(id, from: range.lowerBound, to: range.upperBound)
            }
        } else if let unknown = model.unknownID {
            run.append(unknown, from: 0, to: piece.count)
        }
    }

    private func wholeWord(_ word: ByteBuffer) -> [(Int32, Range<Int>)]? {
        model.vocabulary.id(of: word).map { [($0, 0..<word.count)] }
    }

    private func pieces(of word: ByteBuffer) -> [(Int32, Range<Int>)]? {
        let characterCount = word.count { $0 & 0xC0 != 0x80 }
        guard characterCount <= model.characterLimit else { return nil }
        var result: [(Int32, Range<Int>)] = []
        var start = 0
        while start < word.count {
            guard let (id, end) = longestPiece(of: word, from: start) else { return nil }
            result.append((id, start..<end))
            start = end
        }
        return result
    }

    private func longestPiece(of word: ByteBuffer, from start: Int) -> (Int32, Int)? {
        candidate.removeAll(keepingCapacity: true)
        if start > 0 { candidate += model.continuingPrefix }
        let prefixLength = candidate.count
        candidate.append(contentsOf: word[start...])
        var end = word.count
        while end > start {
            let isBoundary = end == word.count || word[end] & 0xC0 != 0x80
            if isBoundary {
                let length = prefixLength + end - start
                let id = candidate.withUnsafeBufferPointer {
                    model.vocabulary.id(of: ByteBuffer(rebasing: $0[..<length]))
                }
                if let id { return (id, end) }
            }
            end -= 1
        }
        return nil
    }
}
