/// Symbols of one piece and the loop that merges them: always the pair of lowest rank, of equal
/// ones the leftmost, until no pair has a merge.
struct SymbolMerger {
    struct Symbol {
        var id: Int32
        /// Bytes of the piece that it stands for; 0 once it is merged away.
        var length: Int32
        /// Of the merge with the symbol to the right.
        var rank = MergeTable.noRank
    }

    private(set) var symbols: [Symbol] = []

    /// Up to this many symbols a scan for the minimum is faster than a queue.
    private static let scanLimit = 96

    mutating func removeAll() { symbols.removeAll(keepingCapacity: true) }

    @inline(__always)
    mutating func append(_ id: Int32, length: Int) {
        symbols.append(Symbol(id: id, length: Int32(truncatingIfNeeded: length)))
    }

    mutating func mergeAll(_ merges: MergeTable) {
        guard symbols.count > 1 else { return }
        if symbols.count <= Self.scanLimit {
            mergeByScan(merges)
        } else {
            mergeByQueue(merges)
        }
    }

    private mutating func mergeByScan(_ merges: MergeTable) {
        let kept = symbols.withUnsafeMutableBufferPointer { Self.mergeByScan($0, merges) }
        symbols.removeLast(symbols.count - kept)
    }

    /// Returns how many symbols are left at the front of the buffer.
    private static func mergeByScan(
        _ symbols: UnsafeMutableBufferPointer<Symbol>, _ merges: MergeTable
    ) -> Int {
        var count = symbols.count
        for index in 0..<count - 1 {
            symbols[index].rank = merges.rank(symbols[index].id, symbols[index + 1].id)
        }
        while true {
            var (best, rank) = (0, symbols[0].rank)
            var index = 1
            while index < count {
                let other = symbols[index].rank
                if other < rank { (best, rank) = (index, other) }
                index &+= 1
            }
            guard rank != MergeTable.noRank else { return count }
            symbols[best].id = merges.result(rank)
            symbols[best].length &+= symbols[best + 1].length
            count &-= 1
            // So few that a call of memmove would take longer.
            index = best &+ 1
            while index < count {
                symbols[index] = symbols[index &+ 1]
                index &+= 1
            }
            if best > 0 {
                symbols[best - 1].rank = merges.rank(symbols[best - 1].id, symbols[best].id)
            }
            let hasNext = best + 1 < count
            symbols[best].rank =
                hasNext
                ? merges.rank(symbols[best].id, symbols[best + 1].id) : MergeTable.noRank
            if count == 1 { return 1 }
        }
    }

    /// For long pieces: a linked list of symbols and a heap of candidate merges, so that hostile
    /// text without a single break costs n log n.
    private mutating func mergeByQueue(_ merges: MergeTable) {
        let count = symbols.count
        var next = Array(1...count)
        var previous = Array(-1..<count - 1)
        var heap = MergeHeap()
        for index in 0..<count - 1 {
            heap.push(
                rank: merges.rank(symbols[index].id, symbols[index + 1].id), position: index)
        }
        while let candidate = heap.pop() {
            let left = candidate.position
            let right = next[left]
            // A symbol that was merged away has length 0; a pair that changed has another rank.
            guard symbols[left].length > 0, right < count,
                merges.rank(symbols[left].id, symbols[right].id) == candidate.rank
            else { continue }
            symbols[left].id = merges.result(candidate.rank)
            symbols[left].length += symbols[right].length
            symbols[right].length = 0
            next[left] = next[right]
            if next[left] < count {
                previous[next[left]] = left
                let rank = merges.rank(symbols[left].id, symbols[next[left]].id)
                heap.push(rank: rank, position: left)
            }
            if previous[left] >= 0 {
                let before = previous[left]
                heap.push(
                    rank: merges.rank(symbols[before].id, symbols[left].id), position: before)
            }
        }
        symbols.removeAll { $0.length == 0 }
    }
}

/// A binary heap of merges, lowest rank first, then leftmost.
private struct MergeHeap {
    private var keys: [UInt64] = []

    mutating func push(rank: UInt32, position: Int) {
        guard rank != MergeTable.noRank else { return }
        keys.append(UInt64(rank) << 32 | UInt64(UInt32(truncatingIfNeeded: position)))
        var child = keys.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard keys[child] < keys[parent] else { return }
            keys.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> (rank: UInt32, position: Int)? {
        guard let top = keys.first else { return nil }
        let last = keys.removeLast()
        if !keys.isEmpty {
            keys[0] = last
            siftDown()
        }
        return (UInt32(truncatingIfNeeded: top >> 32), Int(top & 0xFFFF_FFFF))
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < keys.count && keys[child] < keys[least] { least = child }
            if least == parent { return }
            keys.swapAt(parent, least)
            parent = least
        }
    }
}
