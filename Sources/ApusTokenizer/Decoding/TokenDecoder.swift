internal import ApusBase

/// How the texts of tokens become the text of all.
enum TokenDecoder: Sendable {
    /// Token texts with a space between them: what a tokenizer without a decoder does.
    case spaced
    /// Tokens stand for bytes, and only all bytes together are text.
    case byteLevel
}

extension Pipeline {
    func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool) -> String {
        switch decoder {
        case .byteLevel:
            var bytes: [UInt8] = []
            for id in ids where isDecoded(id, skipSpecialTokens) { appendBytes(of: id, to: &bytes) }
            return String(decoding: bytes, as: UTF8.self)
        case .spaced:
            let texts = ids.lazy.filter { isDecoded($0, skipSpecialTokens) }
            return texts.compactMap { token(of: $0) }.joined(separator: " ")
        }
    }

    private func isDecoded(_ id: Int32, _ skipSpecialTokens: Bool) -> Bool {
        !(skipSpecialTokens && addedToken(id)?.special == true)
    }

    /// The bytes that a byte-level token stands for. Text that cannot be read as stand-ins counts
    /// as itself, as the reference has it.
    func appendBytes(of id: Int32, to bytes: inout [UInt8]) {
        if let added = addedToken(id) {
            bytes += ByteAlphabet.decode(added.content) ?? Array(added.content.utf8)
        } else if case .byteLevel(_, let texts) = spelling, let text = texts[id] {
            bytes += Array(text.utf8)
        } else {
            bytes += model.vocabulary.bytes(of: id)
        }
    }
}
