/// The part of a tokenizer that turns one piece of text into token ids.
protocol TokenModel: Sendable {
    var vocabulary: Vocabulary { get }
    /// An encoder with buffers and a cache of its own; use each on one thread at a time.
    func makeEncoder() -> any PieceEncoder
}

protocol PieceEncoder: AnyObject {
    func encode(_ piece: ByteBuffer, into run: inout TokenRun)
}

/// Token ids, and for each the bytes of its piece that it stands for.
struct TokenRun {
    private(set) var ids: [Int32] = []
    private(set) var ranges: [ByteRange] = []

    struct ByteRange {
        var start: Int32
        var end: Int32
    }

    @inline(__always)
    mutating func append(_ id: Int32, _ range: ByteRange) {
        ids.append(id)
        ranges.append(range)
    }

    mutating func append(_ id: Int32, from start: Int, to end: Int) {
        let range = ByteRange(
            start: Int32(truncatingIfNeeded: start), end: Int32(truncatingIfNeeded: end))
        append(id, range)
    }

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        ranges.removeAll(keepingCapacity: true)
    }
}
