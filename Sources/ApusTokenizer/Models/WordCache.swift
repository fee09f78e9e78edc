/// Remembers what pieces became: natural text repeats a few thousand words, and looking one up
/// costs a tenth of merging it again.
///
/// Memory of its own instead of arrays: a hit then touches two cache lines, the slot and the
/// record, and no reference is counted.
final class WordCache {
    private struct Slot {
        /// The upper half of the key's hash, so that most other keys are told apart right here.
        var tag: UInt32
        /// Where the record begins, in words; 0 for an empty slot.
        var place: UInt32
    }

    /// What a record begins with. The key follows, padded to words, then the tokens.
    private struct Header {
        var keyLength: UInt16
        var tokenCount: UInt16
    }

    private typealias Token = TokenRun.Token

    /// Longer pieces are rarely seen twice.
    static let keyLimit = 64
    /// The cache starts anew when this many pieces are in it.
    private static let entryLimit = 1 << 16
    private static let wordSize = MemoryLayout<UInt32>.size

    private var slots: UnsafeMutableBufferPointer<Slot>
    private var records: UnsafeMutableBufferPointer<UInt32>
    private var recordEnd = 1
    private var entryCount = 0
    /// So that reading ahead has a result.
    private var seen: UInt32 = 0

    init() {
        slots = Self.emptySlots(1 << 10)
        records = .allocate(capacity: 1 << 12)
    }

    deinit {
        slots.deallocate()
        records.deallocate()
    }

    private static func emptySlots(_ count: Int) -> UnsafeMutableBufferPointer<Slot> {
        let slots = UnsafeMutableBufferPointer<Slot>.allocate(capacity: count)
        slots.initialize(repeating: Slot(tag: 0, place: 0))
        return slots
    }

    /// Reads the slots of pieces that are looked up next, all at once: a processor waits for one
    /// after the other otherwise, and most are not in its nearer caches.
    func bringNear(_ pieces: ArraySlice<Range<Int>>, of text: ByteBuffer) {
        let slots = slots
        let mask = slots.count - 1
        var places: UInt32 = 0
        for piece in pieces where piece.count <= Self.keyLimit {
            let hash = ByteHash.hash(ByteBuffer(rebasing: text[piece]))
            places |= slots[Int(truncatingIfNeeded: hash) & mask].place
        }
        seen = places
    }

    /// Appends the tokens of `piece` to `run` when it is known.
    @inline(__always)
    func lookUp(_ piece: ByteBuffer, hash: UInt64, into run: inout TokenRun) -> Bool {
        let slots = slots
        let mask = slots.count - 1
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        var index = Int(truncatingIfNeeded: hash) & mask
        while slots[index].place != 0 {
            if slots[index].tag == tag, append(recordAt: slots[index].place, of: piece, to: &run) {
                return true
            }
            index = (index + 1) & mask
        }
        return false
    }

    /// Appends the record's tokens when its key is `piece`.
    @inline(__always)
    private func append(
        recordAt place: UInt32, of piece: ByteBuffer, to run: inout TokenRun
    ) -> Bool {
        let record = UnsafeRawPointer(records.baseAddress! + Int(place))
        let header = record.load(as: Header.self)
        guard Int(header.keyLength) == piece.count else { return false }
        let key = record + MemoryLayout<Header>.size
        for offset in 0..<piece.count
        where key.load(fromByteOffset: offset, as: UInt8.self) != piece[offset] {
            return false
        }
        let tokens = key + Self.padded(piece.count)
        run.append(
            contentsOf: UnsafeBufferPointer(
                start: tokens.assumingMemoryBound(to: Token.self), count: Int(header.tokenCount)))
        return true
    }

    /// Remembers that `piece` became the tokens that `run` holds from `first` on.
    func insert(_ piece: ByteBuffer, hash: UInt64, tokensFrom first: Int, of run: TokenRun) {
        if entryCount == Self.entryLimit { removeAll() }
        if entryCount * 2 >= slots.count { growSlots() }
        let tokens = run.tokens[first...]
        let keySize = Self.padded(piece.count)
        let size = MemoryLayout<Header>.size + keySize + tokens.count * MemoryLayout<Token>.stride
        makeRoom(for: size / Self.wordSize)
        let record = UnsafeMutableRawPointer(records.baseAddress! + recordEnd)
        let header = Header(keyLength: UInt16(piece.count), tokenCount: UInt16(tokens.count))
        record.storeBytes(of: header, as: Header.self)
        let key = record + MemoryLayout<Header>.size
        key.copyMemory(from: UnsafeRawPointer(piece.baseAddress!), byteCount: piece.count)
        for (index, token) in tokens.enumerated() {
            let offset = keySize + index * MemoryLayout<Token>.stride
            key.storeBytes(of: token, toByteOffset: offset, as: Token.self)
        }
        place(UInt32(recordEnd), hash: hash)
        recordEnd += size / Self.wordSize
        entryCount += 1
    }

    private static func padded(_ size: Int) -> Int { (size + wordSize - 1) / wordSize * wordSize }

    private func removeAll() {
        slots.update(repeating: Slot(tag: 0, place: 0))
        recordEnd = 1
        entryCount = 0
    }

    private func makeRoom(for count: Int) {
        guard recordEnd + count > records.count else { return }
        let larger = UnsafeMutableBufferPointer<UInt32>.allocate(
            capacity: max(records.count * 2, recordEnd + count))
        _ = larger.initialize(fromContentsOf: records[..<recordEnd])
        records.deallocate()
        records = larger
    }

    private func growSlots() {
        let old = slots
        slots = Self.emptySlots(old.count * 2)
        for slot in old where slot.place != 0 {
            let record = UnsafeRawPointer(records.baseAddress! + Int(slot.place))
            let length = Int(record.load(as: Header.self).keyLength)
            let key = record + MemoryLayout<Header>.size
            let bytes = ByteBuffer(
                start: key.assumingMemoryBound(to: UInt8.self), count: length)
            place(slot.place, hash: ByteHash.hash(bytes))
        }
        old.deallocate()
    }

    private func place(_ record: UInt32, hash: UInt64) {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while slots[index].place != 0 { index = (index + 1) & mask }
        slots[index] = Slot(tag: UInt32(truncatingIfNeeded: hash >> 32), place: record)
    }
}
