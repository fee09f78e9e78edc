/// Token ids and the bytes they stand for. Ids may have gaps.
///
/// For byte-level models the bytes are those of the text itself, not of the printable stand-ins
/// that the file writes; tokens that have no such reading (most special tokens do, some do not) are
/// kept apart, as no merge can produce them.
struct Vocabulary: Sendable {
    /// One more than the largest id.
    let idLimit: Int
    /// Number of tokens that have an id.
    let count: Int
    private let arena: [UInt8]
    /// `starts[id]..<starts[id + 1]` of `arena`; empty for a gap.
    private let starts: [Int32]
    private let isPresent: [Bool]
    /// Open addressing: ids, or -1.
    private let slots: [Int32]

    /// Tokens by id; nil for gaps. A later id with the bytes of an earlier one cannot be looked up.
    init(_ tokens: [[UInt8]?]) {
        var arena: [UInt8] = []
        var starts: [Int32] = [0]
        starts.reserveCapacity(tokens.count + 1)
        for token in tokens {
            arena += token ?? []
            starts.append(Int32(arena.count))
        }
        self.arena = arena
        self.starts = starts
        isPresent = tokens.map { $0 != nil }
        idLimit = tokens.count
        count = isPresent.count { $0 }
        slots = Self.makeSlots(tokens)
    }

    private static func makeSlots(_ tokens: [[UInt8]?]) -> [Int32] {
        var capacity = 16
        while capacity < tokens.count * 2 { capacity *= 2 }
        var slots = [Int32](repeating: -1, count: capacity)
        for (id, token) in tokens.enumerated() {
            guard let token else { continue }
            var slot = token.withUnsafeBufferPointer { Int(truncatingIfNeeded: ByteHash.hash($0)) }
            slot &= capacity - 1
            while slots[slot] >= 0 {
                if tokens[Int(slots[slot])] == token { break }
                slot = (slot + 1) & (capacity - 1)
            }
            if slots[slot] < 0 { slots[slot] = Int32(id) }
        }
        return slots
    }

    func contains(id: Int32) -> Bool {
        id >= 0 && id < idLimit && isPresent[Int(id)]
    }

    /// The bytes of a token; empty for an id that has none.
    func bytes(of id: Int32) -> ArraySlice<UInt8> {
        guard contains(id: id) else { return [] }
        return arena[Int(starts[Int(id)])..<Int(starts[Int(id) + 1])]
    }

    func id(of token: ByteBuffer) -> Int32? {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: ByteHash.hash(token)) & mask
        return arena.withUnsafeBufferPointer { arena in
            while slots[slot] >= 0 {
                let id = Int(slots[slot])
                let start = Int(starts[id])
                let length = Int(starts[id + 1]) - start
                if length == token.count {
                    var matched = 0
                    while matched < length, arena[start + matched] == token[matched] {
                        matched += 1
                    }
                    if matched == length { return Int32(id) }
                }
                slot = (slot + 1) & mask
            }
            return nil
        }
    }

    func id(of token: [UInt8]) -> Int32? {
        token.withUnsafeBufferPointer { id(of: $0) }
    }
}
