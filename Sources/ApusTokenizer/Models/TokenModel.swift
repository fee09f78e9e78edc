/// The part of a tokenizer that turns one piece of text into token ids.
protocol TokenModel: Sendable {
    var vocabulary: Vocabulary { get }
    /// An encoder with buffers and a cache of its own; use each on one thread at a time.
    func makeEncoder() -> any PieceEncoder
}

protocol PieceEncoder: AnyObject {
    func encode(_ piece: ByteBuffer, into run: inout TokenRun)
}

/// Token ids, and for each the number of bytes of the piece that it covers.
struct TokenRun {
    var ids: [Int32] = []
    var lengths: [Int32] = []

    @inline(__always)
    mutating func append(_ id: Int32, length: Int) {
        ids.append(id)
        lengths.append(Int32(truncatingIfNeeded: length))
    }

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
    }
}
