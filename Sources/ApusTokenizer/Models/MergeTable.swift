/// The merges of a byte-pair encoding: for a pair of neighbours its rank and the token it becomes.
struct MergeTable: Sendable {
    struct Merge {
        let rank: UInt32
        let id: Int32
    }

    /// A rank that no merge has.
    static let noRank = UInt32.max

    private struct Slot {
        var pair: UInt64
        var rank: UInt32
        var id: Int32
    }

    private let slots: [Slot]

    /// `merges[rank]` is (left, right, merged). Of two equal pairs the later counts, as in the
    /// reference, where they are keys of one map.
    init(_ merges: [(left: Int32, right: Int32, merged: Int32)]) {
        var capacity = 16
        while capacity < merges.count * 2 { capacity *= 2 }
        var slots = [Slot](
            repeating: Slot(pair: .max, rank: Self.noRank, id: -1), count: capacity)
        for (rank, merge) in merges.enumerated() {
            let pair = Self.key(merge.left, merge.right)
            var index = Int(truncatingIfNeeded: ByteHash.mix(pair)) & (capacity - 1)
            while slots[index].pair != .max, slots[index].pair != pair {
                index = (index + 1) & (capacity - 1)
            }
            slots[index] = Slot(pair: pair, rank: UInt32(rank), id: merge.merged)
        }
        self.slots = slots
    }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    func merge(_ left: Int32, _ right: Int32) -> Merge? {
        let pair = Self.key(left, right)
        let mask = slots.count - 1
        return slots.withUnsafeBufferPointer { slots in
            var index = Int(truncatingIfNeeded: ByteHash.mix(pair)) & mask
            while slots[index].pair != .max {
                if slots[index].pair == pair {
                    return Merge(rank: slots[index].rank, id: slots[index].id)
                }
                index = (index + 1) & mask
            }
            return nil
        }
    }

    @inline(__always)
    func rank(_ left: Int32, _ right: Int32) -> UInt32 {
        merge(left, right)?.rank ?? Self.noRank
    }
}
