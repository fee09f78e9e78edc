/// One step of a decoder: token texts in, token texts out. Texts are bytes, because some steps pass
/// parts of characters on.
enum DecoderStage: Sendable {
    /// Stand-ins back to bytes, all tokens joined: `ByteLevel`.
    case byteLevel
    case replace(TextPattern, [UInt8])
    /// `<0xE2>` tokens to the characters that they spell: `ByteFallback`.
    case byteFallback
    /// All tokens joined: `Fuse`.
    case fuse
    /// Takes up to so many of a character off both ends of each token: `Strip`.
    case strip(UInt32, start: Int, stop: Int)
    /// The visible space back to a space; a first one was added and goes: `Metaspace`.
    case metaspace(replacement: UInt32, dropsFirst: Bool)
    case wordPiece(prefix: [UInt8], cleansUp: Bool)
    /// A suffix that ends words to a space: `BPEDecoder`.
    case wordSuffix([UInt8])
    case ctc(padding: [UInt8], delimiter: [UInt8], cleansUp: Bool)

    /// Where a token stands among all.
    struct Position: Sendable {
        var isFirst = false
        var isLast = false
    }

    func apply(_ tokens: [[UInt8]]) -> [[UInt8]] {
        switch self {
        case .byteLevel:
            let bytes = tokens.flatMap { token in
                ByteAlphabet.decode(String(decoding: token, as: UTF8.self)) ?? token
            }
            return [Array(String(decoding: bytes, as: UTF8.self).utf8)]
        case .byteFallback:
            return joinFallback(tokens)
        case .fuse:
            return [Array(tokens.joined())]
        case .ctc(let padding, let delimiter, let cleansUp):
            return decodeCTC(tokens, padding, delimiter, cleansUp)
        case .replace, .strip, .metaspace, .wordPiece, .wordSuffix:
            return tokens.enumerated().map { index, token in
                apply(token, at: Position(isFirst: index == 0, isLast: index == tokens.count - 1))
            }
        }
    }

    /// Whether it changes each token by itself.
    var isPerToken: Bool {
        switch self {
        case .replace, .strip, .metaspace, .wordPiece, .wordSuffix: true
        case .byteLevel, .byteFallback, .fuse, .ctc: false
        }
    }

    /// What becomes of one token; for stages that change each by itself.
    func apply(_ token: [UInt8], at position: Position) -> [UInt8] {
        switch self {
        case .replace(let pattern, let content):
            return replacing(pattern, with: content, in: token)
        case .strip(let scalar, let start, let stop):
            return stripped(token, scalar, start, stop)
        case .metaspace(let replacement, let dropsFirst):
            let blank: [UInt8] = position.isFirst && dropsFirst ? [] : [0x20]
            return replacing(.literal(utf8(replacement)), with: blank, in: token)
        case .wordPiece(let prefix, let cleansUp):
            var token = token
            if !position.isFirst {
                let isInside = token.starts(with: prefix) && !prefix.isEmpty
                token = isInside ? Array(token.dropFirst(prefix.count)) : [0x20] + token
            }
            return cleansUp ? cleaned(token) : token
        case .wordSuffix(let suffix):
            let blank: [UInt8] = position.isLast ? [] : [0x20]
            return replacing(.literal(suffix), with: blank, in: token)
        case .byteLevel, .byteFallback, .fuse, .ctc:
            preconditionFailure("DecoderStage: this stage takes all tokens together")
        }
    }

    private func utf8(_ scalar: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(scalar: scalar)
        return bytes
    }

    private func replacing(
        _ pattern: TextPattern, with content: [UInt8], in token: [UInt8]
    ) -> [UInt8] {
        token.withUnsafeBufferPointer { bytes in
            let matches = pattern.matches(in: bytes, 0..<bytes.count)
            if matches.isEmpty { return token }
            var result: [UInt8] = []
            var start = 0
            for match in matches {
                result += bytes[start..<match.lowerBound]
                result += content
                start = match.upperBound
            }
            return result + bytes[start...]
        }
    }

    private func stripped(
        _ token: [UInt8], _ scalar: UInt32, _ start: Int, _ stop: Int
    ) -> [UInt8] {
        let blank = utf8(scalar)
        var rest = token[...]
        var (left, right) = (start, stop)
        while left > 0, rest.starts(with: blank) {
            rest = rest.dropFirst(blank.count)
            left -= 1
        }
        while right > 0, rest.suffix(blank.count).elementsEqual(blank) {
            rest = rest.dropLast(blank.count)
            right -= 1
        }
        return Array(rest)
    }

    private func joinFallback(_ tokens: [[UInt8]]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var pending: [UInt8] = []
        func flush() {
            guard !pending.isEmpty else { return }
            result += FallbackToken.spelled(pending)
            pending = []
        }
        for token in tokens {
            if let byte = FallbackToken.byte(of: token) {
                pending.append(byte)
            } else {
                flush()
                result.append(token)
            }
        }
        flush()
        return result
    }

    private func decodeCTC(
        _ tokens: [[UInt8]], _ padding: [UInt8], _ delimiter: [UInt8], _ cleansUp: Bool
    ) -> [[UInt8]] {
        var distinct: [[UInt8]] = []
        for token in tokens where distinct.last != token { distinct.append(token) }
        let texts = distinct.map { token in
            let text = replacing(.literal(padding), with: [], in: token)
            guard cleansUp else { return text }
            return replacing(.literal(delimiter), with: [0x20], in: cleaned(text))
        }
        return texts.filter { !$0.isEmpty }
    }

    /// The spaces that tokenizing put around English punctuation and contractions.
    private func cleaned(_ token: [UInt8]) -> [UInt8] {
        guard token.contains(0x20) else { return token }
        let rules = [
            (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
            (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
        ]
        return rules.reduce(token) { text, rule in
            replacing(.literal(Array(rule.0.utf8)), with: Array(rule.1.utf8), in: text)
        }
    }
}

/// `<0x0A>`: a token that stands for one byte.
enum FallbackToken {
    static func byte(of token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: [0x3C, 0x30, 0x78]), token[5] == 0x3E else {
            return nil
        }
        return UInt8(String(decoding: token[3...4], as: UTF8.self), radix: 16)
    }

    /// The text of such tokens side by side; where they spell none, one replacement character for
    /// each.
    static func spelled(_ bytes: [UInt8]) -> [[UInt8]] {
        if String(validating: bytes, as: UTF8.self) != nil { return [bytes] }
        return Array(repeating: [0xEF, 0xBF, 0xBD], count: bytes.count)
    }
}
