/// What becomes of the matches of a split pattern.
enum SplitBehavior: String, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    /// Matches side by side are one piece.
    case contiguous = "Contiguous"

    /// Appends the pieces of `range`, cut at `matches`, which are in order and do not overlap.
    func cut(
        _ range: Range<Int>, at matches: [Range<Int>], inverted: Bool,
        into pieces: inout [Range<Int>]
    ) {
        guard self == .isolated || self == .removed else {
            pieces += self.pieces(of: range, at: matches, inverted: inverted)
            return
        }
        let keepsMatches = self == .isolated || inverted
        let keepsRest = self == .isolated || !inverted
        var start = range.lowerBound
        for match in matches {
            if keepsRest, start < match.lowerBound { pieces.append(start..<match.lowerBound) }
            if keepsMatches, !match.isEmpty { pieces.append(match) }
            start = match.upperBound
        }
        if keepsRest, start < range.upperBound { pieces.append(start..<range.upperBound) }
    }

    private func pieces(
        of range: Range<Int>, at matches: [Range<Int>], inverted: Bool
    ) -> [Range<Int>] {
        var parts: [(range: Range<Int>, isMatch: Bool)] = []
        var start = range.lowerBound
        for match in matches {
            if match.lowerBound > start { parts.append((start..<match.lowerBound, inverted)) }
            parts.append((match, !inverted))
            start = match.upperBound
        }
        if start < range.upperBound { parts.append((start..<range.upperBound, inverted)) }
        return join(parts).filter { !$0.isEmpty }
    }

    private func join(_ parts: [(range: Range<Int>, isMatch: Bool)]) -> [Range<Int>] {
        switch self {
        case .removed: return parts.filter { !$0.isMatch }.map(\.range)
        case .isolated: return parts.map(\.range)
        case .mergedWithPrevious: return merge(parts) { $0.isMatch && !$1.isMatch }
        case .contiguous: return merge(parts) { $0.isMatch == $1.isMatch }
        case .mergedWithNext:
            let backwards = parts.reversed().map {
                (range: mirrored($0.range), isMatch: $0.isMatch)
            }
            return merge(backwards) { $0.isMatch && !$1.isMatch }.reversed().map(mirrored)
        }
    }

    /// The range counted from the other end.
    private func mirrored(_ range: Range<Int>) -> Range<Int> {
        -range.upperBound..<(-range.lowerBound)
    }

    private typealias Part = (range: Range<Int>, isMatch: Bool)

    /// Joins each part to the one before it where `joins(part, before)` says so.
    private func merge(_ parts: [Part], _ joins: (Part, Part) -> Bool) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var previous: Part?
        for part in parts {
            if let before = previous, joins(part, before), let last = result.last {
                result[result.count - 1] = last.lowerBound..<part.range.upperBound
            } else {
                result.append(part.range)
            }
            previous = part
        }
        return result
    }
}

/// The `Split` pre-tokenizer with any pattern.
struct SplitStage: TextStage {
    let pattern: TextPattern
    let behavior: SplitBehavior
    var isInverted = false

    func apply(to text: inout PreparedText) {
        var pieces: [Range<Int>] = []
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in text.pieces {
                let matches = pattern.matches(in: bytes, piece)
                behavior.cut(piece, at: matches, inverted: isInverted, into: &pieces)
            }
        }
        text.pieces = pieces
    }
}

/// Cuts at single characters of a kind: `WhitespaceSplit`, `Punctuation` and their like.
struct CharacterSplitStage: TextStage {
    private let behavior: SplitBehavior
    private let isMatch: @Sendable (UInt32) -> Bool
    /// Asked once: most text is ASCII.
    private let matchesASCII: [Bool]

    init(behavior: SplitBehavior, isMatch: @escaping @Sendable (UInt32) -> Bool) {
        self.behavior = behavior
        self.isMatch = isMatch
        matchesASCII = (0..<128).map(isMatch)
    }

    func apply(to text: inout PreparedText) {
        var pieces: [Range<Int>] = []
        pieces.reserveCapacity(text.pieces.count)
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in text.pieces {
                if behavior == .removed || behavior == .isolated {
                    cut(piece, of: bytes, into: &pieces)
                } else {
                    let matches = matches(in: bytes, piece)
                    behavior.cut(piece, at: matches, inverted: false, into: &pieces)
                }
            }
        }
        text.pieces = pieces
    }

    private func cut(_ piece: Range<Int>, of bytes: ByteBuffer, into pieces: inout [Range<Int>]) {
        guard let base = bytes.baseAddress else { return }
        var (index, start) = (piece.lowerBound, piece.lowerBound)
        while index < piece.upperBound {
            let (scalar, length) = base.scalar(at: index)
            if matches(scalar) {
                if start < index { pieces.append(start..<index) }
                start = index + length
                if behavior == .isolated { pieces.append(index..<start) }
            }
            index += length
        }
        if start < piece.upperBound { pieces.append(start..<piece.upperBound) }
    }

    @inline(__always)
    private func matches(_ scalar: UInt32) -> Bool {
        scalar < 0x80 ? matchesASCII[Int(scalar)] : isMatch(scalar)
    }

    private func matches(in bytes: ByteBuffer, _ piece: Range<Int>) -> [Range<Int>] {
        guard let base = bytes.baseAddress else { return [] }
        var result: [Range<Int>] = []
        var index = piece.lowerBound
        while index < piece.upperBound {
            let (scalar, length) = base.scalar(at: index)
            if matches(scalar) { result.append(index..<index + length) }
            index += length
        }
        return result
    }

    static let whiteSpace = CharacterSplitStage(behavior: .removed) {
        ScalarTable.shared.isWhiteSpace($0)
    }

    static func punctuation(_ behavior: SplitBehavior) -> CharacterSplitStage {
        CharacterSplitStage(behavior: behavior) { scalar in
            switch scalar {
            case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
            default: ScalarClass.punctuation.contains(scalar)
            }
        }
    }
}

/// Keeps runs of word characters and runs of what is neither word nor space: `Whitespace`.
struct WordSplitStage: TextStage {
    func apply(to text: inout PreparedText) {
        text.split(with: Scanner())
        text.pieces = text.bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return [] }
            return text.pieces.filter {
                Scanner.kind(base.scalar(at: $0.lowerBound).value) != .space
            }
        }
    }

    private struct Scanner: PieceScanner {
        static func kind(_ scalar: UInt32) -> SplitClass {
            let table = ScalarTable.shared
            if table.isWord(scalar) { return .letter }
            return table.isWhiteSpace(scalar) ? .space : .other
        }

        func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
            let kind = Self.kind(text.scalar(at: start).value)
            var index = start
            while index < end {
                let (scalar, length) = text.scalar(at: index)
                guard Self.kind(scalar) == kind else { break }
                index += length
            }
            return index
        }
    }
}

/// Pieces of a fixed number of characters: `FixedLength`.
struct FixedLengthScanner: PieceScanner {
    let characterCount: Int

    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        var count = 0
        while index < end, count < characterCount {
            index += text.scalar(at: index).length
            count += 1
        }
        return index
    }
}
