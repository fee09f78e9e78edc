/// Finds added tokens in text: the leftmost, of several at one place the longest.
struct AddedTokenMatcher: Sendable {
    /// From patterns to places in `tokens`.
    private var patterns = ByteTrie()
    private var tokens: [AddedToken] = []
    /// Whether some token begins with the byte.
    private var isFirstByte = [Bool](repeating: false, count: 256)

    /// `pattern` is what to look for: the token's content, or its normalized form.
    mutating func add(_ token: AddedToken, pattern: [UInt8]) {
        guard let first = pattern.first else { return }
        isFirstByte[Int(first)] = true
        // Of two tokens with one pattern the first is found.
        let known = pattern.withUnsafeBufferPointer { longest(in: $0, from: 0, to: $0.count) }
        guard known?.end != pattern.count else { return }
        patterns.add(pattern, value: Int32(tokens.count))
        tokens.append(token)
    }

    var isEmpty: Bool { tokens.isEmpty }

    enum Part: Equatable {
        case text(Range<Int>)
        case token(Int32, Range<Int>)
    }

    /// Cuts `range` of `text` into added tokens and what lies between. Word borders and stripped
    /// space are judged inside `range` alone, as the reference judges them inside each of its
    /// splits.
    func split(_ text: [UInt8], _ range: Range<Int>) -> [Part] {
        guard !isEmpty else { return range.isEmpty ? [] : [.text(range)] }
        var parts: [Part] = []
        var textStart = range.lowerBound
        var index = range.lowerBound
        text.withUnsafeBufferPointer { bytes in
            while let candidate = firstCandidate(in: bytes, index..<range.upperBound) {
                index = candidate
                guard let (found, end) = longest(in: bytes, from: index, to: range.upperBound)
                else {
                    index += 1
                    continue
                }
                let match = index..<end
                let token = tokens[found]
                index = end
                if token.singleWord, !isSingleWord(match, in: bytes, range) { continue }
                let taken = widen(match, for: token, in: bytes, textStart..<range.upperBound)
                if textStart < taken.lowerBound {
                    parts.append(.text(textStart..<taken.lowerBound))
                }
                parts.append(.token(token.id, taken))
                textStart = taken.upperBound
                index = max(index, textStart)
            }
        }
        if textStart < range.upperBound { parts.append(.text(textStart..<range.upperBound)) }
        return parts
    }

    /// The first place where a token may begin.
    private func firstCandidate(in bytes: ByteBuffer, _ range: Range<Int>) -> Int? {
        isFirstByte.withUnsafeBufferPointer { isFirstByte in
            var index = range.lowerBound
            while index < range.upperBound {
                if isFirstByte[Int(bytes[index])] { return index }
                index &+= 1
            }
            return nil
        }
    }

    /// The place of the longest token that begins at `start`, and its end.
    private func longest(
        in bytes: ByteBuffer, from start: Int, to end: Int
    ) -> (token: Int, end: Int)? {
        var best: (Int, Int)?
        patterns.forEachPrefix(of: ByteBuffer(rebasing: bytes[..<end]), from: start) {
            best = (Int($0), $1)
        }
        return best
    }

    private func isSingleWord(_ match: Range<Int>, in bytes: ByteBuffer, _ range: Range<Int>)
        -> Bool
    {
        guard let base = bytes.baseAddress else { return true }
        if match.lowerBound > range.lowerBound {
            let before = base.scalar(at: base.scalarStart(before: match.lowerBound)).value
            if ScalarTable.shared.isWord(before) { return false }
        }
        guard match.upperBound < range.upperBound else { return true }
        return !ScalarTable.shared.isWord(base.scalar(at: match.upperBound).value)
    }

    private func widen(
        _ match: Range<Int>, for token: AddedToken, in bytes: ByteBuffer, _ range: Range<Int>
    ) -> Range<Int> {
        guard let base = bytes.baseAddress else { return match }
        var (lower, upper) = (match.lowerBound, match.upperBound)
        while token.stripsLeft, lower > range.lowerBound {
            let start = base.scalarStart(before: lower)
            guard ScalarTable.shared.isWhiteSpace(base.scalar(at: start).value) else { break }
            lower = start
        }
        while token.stripsRight, upper < range.upperBound {
            let (value, length) = base.scalar(at: upper)
            guard ScalarTable.shared.isWhiteSpace(value) else { break }
            upper += length
        }
        return lower..<upper
    }
}
