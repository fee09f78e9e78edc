/// The part of a tokenizer that turns one piece of text into token ids.
protocol TokenModel: Sendable {
    var vocabulary: Vocabulary { get }
    /// An encoder with buffers and a cache of its own; use each on one thread at a time.
    func makeEncoder() -> any PieceEncoder
}

protocol PieceEncoder: AnyObject {
    func encode(_ piece: ByteBuffer, into run: inout TokenRun)
}

/// Tokens, each with the bytes of its piece that it stands for.
struct TokenRun {
    private(set) var tokens: [Token] = []

    struct Token {
        var id: Int32
        var start: Int32
        var end: Int32
    }

    var count: Int { tokens.count }
    var ids: [Int32] { tokens.map(\.id) }

    @inline(__always)
    mutating func append(_ id: Int32, from start: Int, to end: Int) {
        tokens.append(
            Token(
                id: id, start: Int32(truncatingIfNeeded: start),
                end: Int32(truncatingIfNeeded: end)))
    }

    @inline(__always)
    mutating func append(contentsOf more: UnsafeBufferPointer<Token>) {
        tokens.append(contentsOf: more)
    }

    mutating func removeAll() { tokens.removeAll(keepingCapacity: true) }
}
