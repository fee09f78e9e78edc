/// Remembers what pieces became: natural text repeats a few thousand words, and looking one up
/// costs a tenth of merging it again.
struct WordCache {
    private struct Entry {
        var hash: UInt64
        var keyStart: Int32
        var keyLength: Int32
        var tokenStart: Int32
        var tokenCount: Int32
    }

    /// Longer pieces are rarely seen twice.
    static let keyLimit = 64
    /// The cache starts anew when this many pieces are in it.
    private static let entryLimit = 1 << 16

    private var slots = [Int32](repeating: -1, count: 1 << 10)
    private var entries: [Entry] = []
    private var keys: [UInt8] = []
    private var tokens = TokenRun()

    /// Appends the tokens of `piece` to `run` when it is known.
    @inline(__always)
    func lookUp(_ piece: ByteBuffer, hash: UInt64, into run: inout TokenRun) -> Bool {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let index = Int(slots[slot])
            if index < 0 { return false }
            if entries[index].hash == hash, isKey(piece, of: entries[index]) {
                let start = Int(entries[index].tokenStart)
                for token in start..<start + Int(entries[index].tokenCount) {
                    run.append(tokens.ids[token], tokens.ranges[token])
                }
                return true
            }
            slot = (slot + 1) & mask
        }
    }

    @inline(__always)
    private func isKey(_ piece: ByteBuffer, of entry: Entry) -> Bool {
        guard Int(entry.keyLength) == piece.count else { return false }
        let start = Int(entry.keyStart)
        for index in 0..<piece.count where keys[start + index] != piece[index] { return false }
        return true
    }

    /// Remembers that `piece` became the tokens that `run` holds from `first` on.
    mutating func insert(_ piece: ByteBuffer, hash: UInt64, tokensFrom first: Int, of run: TokenRun)
    {
        if entries.count == Self.entryLimit { self = WordCache() }
        if entries.count * 2 >= slots.count { grow() }
        entries.append(
            Entry(
                hash: hash, keyStart: Int32(keys.count), keyLength: Int32(piece.count),
                tokenStart: Int32(tokens.ids.count), tokenCount: Int32(run.ids.count - first)))
        keys.append(contentsOf: piece)
        for index in first..<run.ids.count {
            tokens.append(run.ids[index], run.ranges[index])
        }
        place(entries.count - 1)
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: slots.count * 2)
        for index in entries.indices { place(index) }
    }

    private mutating func place(_ index: Int) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: entries[index].hash) & mask
        while slots[slot] >= 0 { slot = (slot + 1) & mask }
        slots[slot] = Int32(index)
    }
}
