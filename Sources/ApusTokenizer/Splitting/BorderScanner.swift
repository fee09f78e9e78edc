/// Which characters some merge brings together, so that text can be cut between all others without
/// a change of tokens. Vocabularies of SentencePiece have no other cuts, and a text in one piece
/// cannot be found in a cache.
struct MergeBorders {
    /// By the last character before and the first one behind, both in ASCII.
    private var joined = [Bool](repeating: false, count: 1 << 14)
    /// Of others.
    private var joinedPairs: Set<UInt64> = []
    private var joinsMarks = false
    /// Tokens of single bytes are not written as the character they stand for.
    private var joinsBytes = false

    /// Call for every merge.
    mutating func join(_ left: String, _ right: some StringProtocol) {
        guard let before = left.unicodeScalars.last?.value,
            let behind = right.unicodeScalars.first?.value
        else { return }
        if before < 0x80, behind < 0x80 {
            joined[Int(before) << 7 | Int(behind)] = true
        } else {
            joinedPairs.insert(ScalarPairs.pair(before, behind))
        }
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

    /// Behind a cut stands only what is a token of its own, or becomes those of its bytes: unknown
    /// characters may become one token with those before.
    ///
    /// - spellsBytes: whether every missing character becomes the tokens of its bytes
    func scanner(
        unknown: String?, spellsBytes: Bool, isToken: (String) -> Bool
    ) -> BorderScanner? {
        let mark = String(decoding: BorderScanner.mark, as: UTF8.self)
        guard !joinsBytes, !joinsMarks, isToken(mark), unknown != mark else { return nil }
        var cuts = joined.map { !$0 }
        for behind in 0..<128 {
            let character = String(Unicode.Scalar(UInt8(behind)))
            guard !isToken(character) || unknown == character else { continue }
            for before in 0..<128 { cuts[before << 7 | behind] = false }
        }
        return BorderScanner(cuts: cuts, joined: spellsBytes ? ScalarPairs(joinedPairs) : nil)
    }
}

/// Cuts at the borders of ``MergeBorders``: before the marks with which words begin, several in a
/// row counting as one, and between characters that no merge brings together.
struct BorderScanner: PieceScanner {
    /// U+2581, SentencePiece's visible space.
    static let mark: [UInt8] = [0xE2, 0x96, 0x81]
    private static let markScalar: UInt32 = 0x2581

    /// Between two ASCII characters.
    let cuts: [Bool]
    /// Of other characters; nil where there may be no cut between them.
    let joined: ScalarPairs?

    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        var before: UInt32 = 0
        repeat {
            let (scalar, length) = text.scalar(at: index)
            before = scalar
            index += length
        } while before == Self.markScalar && index < end && isMark(text, index, end)
        return cuts.withUnsafeBufferPointer { cuts in
            while index < end {
                let (behind, length) = text.scalar(at: index)
                if before | behind < 0x80 {
                    if cuts[Int(before) << 7 | Int(behind)] { return index }
                } else if behind == Self.markScalar {
                    return index
                } else if let joined, !joined.mayContain(before, behind) {
                    return index
                }
                before = behind
                index += length
            }
            return end
        }
    }

    @inline(__always)
    private func isMark(_ text: UnsafePointer<UInt8>, _ index: Int, _ end: Int) -> Bool {
        index + 2 < end && text[index] == 0xE2 && text[index + 1] == 0x96 && text[index + 2] == 0x81
    }
}

/// Pairs of characters, of which some may be taken for others: a bit for each that stays in the
/// nearest cache where a table of them would not.
struct ScalarPairs: Sendable {
    private let bits: [UInt64]

    init(_ pairs: Set<UInt64>) {
        var capacity = 1 << 12
        while capacity < pairs.count * 16 { capacity *= 2 }
        var bits = [UInt64](repeating: 0, count: capacity / 64)
        for pair in pairs {
            let place = ByteHash.mix(pair) & UInt64(capacity - 1)
            bits[Int(place / 64)] |= 1 << (place % 64)
        }
        self.bits = bits
    }

    static func pair(_ before: UInt32, _ behind: UInt32) -> UInt64 {
        UInt64(before) << 32 | UInt64(behind)
    }

    @inline(__always)
    func mayContain(_ before: UInt32, _ behind: UInt32) -> Bool {
        let place = ByteHash.mix(Self.pair(before, behind)) & UInt64(bits.count * 64 - 1)
        return bits[Int(place / 64)] >> (place % 64) & 1 == 1
    }
}
