/// Decodes ids one by one, as a model produces them; holds back what is not yet a whole character.
///
/// The pieces of text that it returns, joined, are what ``Tokenizer/decode(_:skipSpecialTokens:)``
/// makes of all ids at once (but for decoders that change text across words, as WordPiece's
/// clean-up does).
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecialTokens: Bool
    /// Bytes of a byte-level model that are not yet a character.
    private var pending: [UInt8] = []
    /// Ids that are decoded together, because the text of the last may depend on those before.
    private var window: [Int32] = []
    /// What the window has given so far.
    private var shown = ""

    public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        self.skipSpecialTokens = skipSpecialTokens
    }

    /// The text that `id` completes; often empty in the middle of a character.
    public mutating func append(_ id: Int32) -> String {
        let pipeline = tokenizer.pipeline
        guard pipeline.isDecoded(id, skipSpecialTokens), pipeline.token(of: id) != nil else {
            return ""
        }
        if case .byteLevel = pipeline.decoder {
            pipeline.tokenBytes.append(id, to: &pending)
            return takeWholeCharacters()
        }
        window.append(id)
        let token = pipeline.token(of: id).map { Array($0.utf8) } ?? []
        if FallbackToken.byte(of: token) != nil, !endsCharacter { return "" }
        let new = takeNewText()
        if FallbackToken.byte(of: token) == nil {
            window = [id]
            shown = pipeline.decode(window, skipSpecialTokens: false)
        }
        return new
    }

    /// The text of bytes that never became a character; call after the last id.
    public mutating func finish() -> String {
        defer { (pending, window, shown) = ([], [], "") }
        if case .byteLevel = tokenizer.pipeline.decoder {
            return String(decoding: pending, as: UTF8.self)
        }
        return takeNewText()
    }

    /// Whether the byte tokens at the end of the window are whole characters.
    private var endsCharacter: Bool {
        let bytes = window.reversed().lazy.map { id -> UInt8? in
            tokenizer.pipeline.token(of: id).flatMap { FallbackToken.byte(of: Array($0.utf8)) }
        }.prefix { $0 != nil }.compactMap { $0 }
        return String(validating: Array(bytes).reversed(), as: UTF8.self) != nil
    }

    private mutating func takeNewText() -> String {
        let text = tokenizer.pipeline.decode(window, skipSpecialTokens: false)
        let common = zip(text.utf8, shown.utf8).prefix { $0 == $1 }.count
        let new = String(decoding: Array(text.utf8.dropFirst(common)), as: UTF8.self)
        shown = text
        return new
    }

    private mutating func takeWholeCharacters() -> String {
        let whole = pending.count - UTF8Tail.incompleteLength(pending)
        let text = String(decoding: pending[..<whole], as: UTF8.self)
        pending.removeFirst(whole)
        return text
    }
}

enum UTF8Tail {
    /// The number of bytes at the end that begin a character and lack its rest.
    static func incompleteLength(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let byte = bytes[bytes.count - length]
            if byte & 0xC0 == 0x80 { continue }
            let needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return needed > length && isPrefix(bytes.suffix(length)) ? length : 0
        }
        return 0
    }

    /// Whether the bytes can still become one valid character: an overlong form, a surrogate or a
    /// value past U+10FFFF never will.
    private static func isPrefix(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first else { return false }
        guard let second = bytes.dropFirst().first else { return (0xC2...0xF4).contains(first) }
        switch first {
        case 0xE0: return second >= 0xA0
        case 0xED: return second < 0xA0
        case 0xF0: return second >= 0x90
        case 0xF4: return second < 0x90
        default: return (0xC2...0xF4).contains(first)
        }
    }
}
