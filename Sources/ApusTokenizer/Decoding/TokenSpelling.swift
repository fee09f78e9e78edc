internal import ApusBase

/// How the vocabulary file writes a token, against the bytes that the model works with.
enum TokenSpelling: Sendable {
    /// The token's text is its bytes.
    case plain
    /// Bytes are written with ``ByteAlphabet``; tokens that have no such reading are listed here.
    case byteLevel(ids: [ByteKey: Int32], texts: [Int32: String])

    func id(of token: String, in vocabulary: Vocabulary) -> Int32? {
        switch self {
        case .plain:
            return vocabulary.id(of: Array(token.utf8))
        case .byteLevel(let ids, _):
            if let id = ids[ByteKey(token)] { return id }
            return ByteAlphabet.decode(token).flatMap { vocabulary.id(of: $0) }
        }
    }

    func token(of id: Int32, in vocabulary: Vocabulary) -> String? {
        switch self {
        case .plain:
            guard vocabulary.contains(id: id) else { return nil }
            return String(decoding: vocabulary.bytes(of: id), as: UTF8.self)
        case .byteLevel(_, let texts):
            if let text = texts[id] { return text }
            guard vocabulary.contains(id: id) else { return nil }
            return ByteAlphabet.encode(vocabulary.bytes(of: id))
        }
    }
}
