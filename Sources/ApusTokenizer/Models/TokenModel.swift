/// The part of a tokenizer that turns one piece of text into token ids.
protocol TokenModel: Sendable {
    var vocabulary: Vocabulary { get }
    /// An encoder with buffers and a cache of its own; use each on one thread at a time.
    func makeEncoder() -> any PieceEncoder
}

protocol PieceEncoder: AnyObject {
    func encode(_ piece: ByteBuffer, into run: inout TokenRun)

    /// Brings near what is known of pieces that are encoded next.
    func prepare(_ pieces: ArraySlice<Range<Int>>, of text: ByteBuffer)
}

extension PieceEncoder {
    func prepare(_ pieces: ArraySlice<Range<Int>>, of text: ByteBuffer) {}

    /// Encodes all pieces of a text; calls `body` after each.
    @inline(__always)
    func encode(
        _ pieces: [Range<Int>], of text: ByteBuffer, into run: inout TokenRun,
        _ body: (Range<Int>, inout TokenRun) -> Void = { _, _ in }
    ) {
        // As many as memory can be asked for at a time.
        for start in stride(from: 0, to: pieces.count, by: 16) {
            let next = pieces[start..<min(start + 16, pieces.count)]
            prepare(next, of: text)
            for piece in next {
                encode(ByteBuffer(rebasing: text[piece]), into: &run)
                body(piece, &run)
            }
        }
    }
}

/// Remembers what an encoder made of short pieces.
final class CachingEncoder<Base: PieceEncoder>: PieceEncoder {
    private let base: Base
    private let cache = WordCache()

    init(_ base: Base) { self.base = base }

    func prepare(_ pieces: ArraySlice<Range<Int>>, of text: ByteBuffer) {
        cache.bringNear(pieces, of: text)
    }

    func encode(_ piece: ByteBuffer, into run: inout TokenRun) {
        guard piece.count <= WordCache.keyLimit else { return base.encode(piece, into: &run) }
        let hash = ByteHash.hash(piece)
        if cache.lookUp(piece, hash: hash, into: &run) { return }
        let first = run.count
        base.encode(piece, into: &run)
        cache.insert(piece, hash: hash, tokensFrom: first, of: run)
    }
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
