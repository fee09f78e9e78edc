/// Which characters some merge brings together, so that text can be cut between all others without
/// a change of tokens. Vocabularies of SentencePiece have no other cuts, and a text in one piece
/// cannot be found in a cache.
struct MergeBorders {
    /// By the last character before and the first one behind, both in ASCII.
    private var joined = [Bool](repeating: false, count: 1 << 14)
    private var joinsMarks = false
    /// Tokens of single bytes are not written as the character they stand for.
    private var joinsBytes = false

    /// Call for every merge.
    mutating func join(_ left: String, _ right: some StringProtocol) {
        guard let before = left.utf8.last, let behind = right.utf8.first else { return }
        if before < 0x80, behind < 0x80 { joined[Int(before) << 7 | Int(behind)] = true }
        if right.utf8.starts(with: BorderScanner.mark),
            !left.utf8.reversed().starts(with: BorderScanner.mark.reversed())
        {
            joinsMarks = true
        }
        if isByte(left.utf8) || isByte(right.utf8) { joinsBytes = true }
    }

    /// `<0x0A>`
    private func isByte(_ token: some Collection<UInt8>) -> Bool {
        token.count == 6 && token.starts(with: "<0x".utf8)
    }

    /// Behind a cut stands only what is a token of its own: unknown characters may become one token
    /// with those before.
    func scanner(unknown: String?, isToken: (String) -> Bool) -> BorderScanner? {
        let mark = String(decoding: BorderScanner.mark, as: UTF8.self)
        guard !joinsBytes, !joinsMarks, isToken(mark), unknown != mark else { return nil }
        var cuts = joined.map { !$0 }
        for behind in 0..<128 {
            let character = String(Unicode.Scalar(UInt8(behind)))
            guard !isToken(character) || unknown == character else { continue }
            for before in 0..<128 { cuts[before << 7 | behind] = false }
        }
        return BorderScanner(cuts: cuts)
    }
}

/// Cuts at the borders of ``MergeBorders``: before the marks with which words begin, several in a
/// row counting as one, and between ASCII characters that no merge brings together.
struct BorderScanner: PieceScanner {
    /// U+2581, SentencePiece's visible space.
    static let mark: [UInt8] = [0xE2, 0x96, 0x81]

    let cuts: [Bool]

    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        while isMark(text, index, end) { index += Self.mark.count }
        if index == start { index += 1 }
        return cuts.withUnsafeBufferPointer { cuts in
            while index < end {
                let byte = text[index]
                if byte < 0x80 {
                    let before = text[index - 1]
                    if before < 0x80, cuts[Int(before) << 7 | Int(byte)] { return index }
                } else if byte == 0xE2, isMark(text, index, end) {
                    return index
                }
                index += 1
            }
            return end
        }
    }

    @inline(__always)
    private func isMark(_ text: UnsafePointer<UInt8>, _ index: Int, _ end: Int) -> Bool {
        index + 2 < end && text[index] == 0xE2 && text[index + 1] == 0x96 && text[index + 2] == 0x81
    }
}
