/// The merges of a byte-pair encoding: for a pair of neighbours its rank, for a rank the token that
/// the pair becomes.
struct MergeTable: Sendable {
    /// A rank that no merge has.
    static let noRank = UInt32.max

    /// Ids and ranks below these fit into a word together; the largest published vocabularies have
    /// an eighth of that.
    static let idLimit = 1 << idBits
    static let countLimit = 1 << rankBits
    private static let idBits: UInt64 = 21
    private static let rankBits: UInt64 = 22

    /// Open addressing; left, right and rank of a merge in one word, all ones where there is none.
    private let slots: [UInt64]
    private let results: [Int32]

    /// `merges[rank]` is (left, right, merged). Of two equal pairs the later counts, as in the
    /// reference, where they are keys of one map.
    init(_ merges: [(left: Int32, right: Int32, merged: Int32)]) {
        precondition(merges.count < Self.countLimit, "MergeTable: \(merges.count) merges")
        var capacity = 16
        while capacity < merges.count * 2 { capacity *= 2 }
        var slots = [UInt64](repeating: .max, count: capacity)
        for (rank, merge) in merges.enumerated() {
            let pair = Self.pair(merge.left, merge.right)
            var index = Self.home(pair) & (capacity - 1)
            while slots[index] != .max, slots[index] >> Self.rankBits != pair {
                index = (index + 1) & (capacity - 1)
            }
            slots[index] = pair << Self.rankBits | UInt64(rank)
        }
        self.slots = slots
        results = merges.map(\.merged)
    }

    @inline(__always)
    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << idBits | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private static func home(_ pair: UInt64) -> Int {
        Int(truncatingIfNeeded: ByteHash.mix(pair))
    }

    @inline(__always)
    func rank(_ left: Int32, _ right: Int32) -> UInt32 {
        let pair = Self.pair(left, right)
        return slots.withUnsafeBufferPointer { slots in
            let mask = slots.count - 1
            var index = Self.home(pair) & mask
            while slots[index] != .max {
                if slots[index] >> Self.rankBits == pair {
                    return UInt32(truncatingIfNeeded: slots[index]) & (1 << Self.rankBits - 1)
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
