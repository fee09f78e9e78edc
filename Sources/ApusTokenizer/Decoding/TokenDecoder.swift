/// How the texts of tokens become the text of all.
enum TokenDecoder: Sendable {
    /// Token texts with a space between them: what a tokenizer without a decoder does.
    case spaced
    /// Tokens stand for bytes, and only all bytes together are text.
    case byteLevel
    /// One step after another over the texts of the tokens.
    case stages([DecoderStage])
}

extension Pipeline {
    func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool) -> String {
        let kept = ids.lazy.filter { isDecoded($0, skipSpecialTokens) }
        switch decoder {
        case .byteLevel:
            var bytes: [UInt8] = []
            for id in kept { appendBytes(of: id, to: &bytes) }
            return String(decoding: bytes, as: UTF8.self)
        case .spaced:
            return kept.compactMap { token(of: $0) }.joined(separator: " ")
        case .stages(let stages):
            var texts = Array(kept).compactMap { token(of: $0).map { Array($0.utf8) } }
            for stage in stages { texts = stage.apply(texts) }
            return String(decoding: Array(texts.joined()), as: UTF8.self)
        }
    }

    func isDecoded(_ id: Int32, _ skipSpecialTokens: Bool) -> Bool {
        !(skipSpecialTokens && addedToken(id)?.special == true)
    }

    /// The bytes that a byte-level token stands for. Text that cannot be read as stand-ins counts
    /// as itself, as the reference has it.
    func appendBytes(of id: Int32, to bytes: inout [UInt8]) {
        if let added = addedToken(id) {
            bytes += ByteAlphabet.decode(added.content) ?? Array(added.content.utf8)
            return
        }
        switch spelling {
        case .byteLevel(_, let texts):
            if let text = texts[id] {
                bytes += Array(text.utf8)
            } else {
                bytes += model.vocabulary.bytes(of: id)
            }
        case .plain:
            let token = model.vocabulary.bytes(of: id)
            bytes += ByteAlphabet.decode(String(decoding: token, as: UTF8.self)) ?? Array(token)
        }
    }
}
