/// The merges of a byte-pair encoding: for a pair of neighbours its rank, for a rank the token that
/// the pair becomes.
struct MergeTable: Sendable {
    /// A rank that no merge has.
    static let noRank = UInt32.max

    private struct Slot {
        var left: Int32
        var right: Int32
        var rank: UInt32
    }

    /// Open addressing; a slot without a rank is empty.
    private let slots: [Slot]
    private let results: [Int32]

    /// `merges[rank]` is (left, right, merged). Of two equal pairs the later counts, as in the
    /// reference, where they are keys of one map.
    init(_ merges: [(left: Int32, right: Int32, merged: Int32)]) {
        var capacity = 16
        while capacity < merges.count * 2 { capacity *= 2 }
        var slots = [Slot](
            repeating: Slot(left: -1, right: -1, rank: Self.noRank), count: capacity)
        for (rank, merge) in merges.enumerated() {
            var index = Self.home(merge.left, merge.right) & (capacity - 1)
            while slots[index].rank != Self.noRank,
                (slots[index].left, slots[index].right) != (merge.left, merge.right)
            {
                index = (index + 1) & (capacity - 1)
            }
            slots[index] = Slot(left: merge.left, right: merge.right, rank: UInt32(rank))
        }
        self.slots = slots
        results = merges.map(\.merged)
    }

    @inline(__always)
    private static func home(_ left: Int32, _ right: Int32) -> Int {
        let pair = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        return Int(truncatingIfNeeded: ByteHash.mix(pair))
    }

    @inline(__always)
    func rank(_ left: Int32, _ right: Int32) -> UInt32 {
        slots.withUnsafeBufferPointer { slots in
            let mask = slots.count - 1
            var index = Self.home(left, right) & mask
            while slots[index].rank != Self.noRank {
                if slots[index].left == left, slots[index].right == right {
                    return slots[index].rank
                }
                index = (index + 1) & mask
            }
            return Self.noRank
        }
    }

    /// The token that the pair of this rank becomes.
    @inline(__always)
    func result(_ rank: UInt32) -> Int32 { results[Int(rank)] }
}
