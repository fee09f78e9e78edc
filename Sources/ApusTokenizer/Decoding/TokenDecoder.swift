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
    func decode(_ ids: [Int32], skipSpecialTokens: Bool) -> String {
        let kept = skipSpecialTokens ? ids.filter { isDecoded($0, true) } : ids
        switch decoder {
        case .byteLevel:
            var bytes: [UInt8] = []
            bytes.reserveCapacity(kept.count * 4)
            for id in kept { tokenBytes.append(id, to: &bytes) }
            return String(decoding: bytes, as: UTF8.self)
        case .spaced:
            return kept.compactMap { token(of: $0) }.joined(separator: " ")
        case .stages(let stages):
            if let stagedDecoding { return stagedDecoding.decode(kept, in: self) }
            var texts = kept.compactMap { token(of: $0).map { Array($0.utf8) } }
            for stage in stages { texts = stage.apply(texts) }
            return String(decoding: Array(texts.joined()), as: UTF8.self)
        }
    }

    func isDecoded(_ id: Int32, _ skipSpecialTokens: Bool) -> Bool {
        !(skipSpecialTokens && addedToken(id)?.special == true)
    }

    /// The bytes that a byte-level token stands for. Text that cannot be read as stand-ins counts
    /// as itself, as the reference has it.
    func bytes(of id: Int32) -> [UInt8] {
        if let added = addedToken(id) {
            return ByteAlphabet.decode(added.content) ?? Array(added.content.utf8)
        }
        switch spelling {
        case .byteLevel(_, let texts):
            return texts[id].map { Array($0.utf8) } ?? Array(model.vocabulary.bytes(of: id))
        case .plain:
            let token = model.vocabulary.bytes(of: id)
            return ByteAlphabet.decode(String(decoding: token, as: UTF8.self)) ?? Array(token)
        }
    }
}

/// The bytes of all tokens one after another, so that decoding a token is one copy.
struct TokenBytes: Sendable {
    private var arena: [UInt8] = []
    /// `starts[id]..<starts[id + 1]` of `arena`.
    private var starts = [0]

    init(_ tokens: some Sequence<[UInt8]>) {
        for token in tokens {
            arena += token
            starts.append(arena.count)
        }
    }

    /// Appends nothing for an id that is none.
    @inline(__always)
    func append(_ id: Int32, to bytes: inout [UInt8]) {
        guard contains(id) else { return }
        arena.withUnsafeBufferPointer { arena in
            let range = starts[Int(id)]..<starts[Int(id) + 1]
            bytes.append(contentsOf: ByteBuffer(rebasing: arena[range]))
        }
    }

    @inline(__always)
    func contains(_ id: Int32) -> Bool { id >= 0 && Int(id) < starts.count - 1 }
}
