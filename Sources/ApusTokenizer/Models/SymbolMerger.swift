/// Symbols of one piece and the loop that merges them: always the pair of lowest rank, of equal
/// ones the leftmost, until no pair has a merge.
struct SymbolMerger {
    private(set) var ids: [Int32] = []
    private(set) var lengths: [Int32] = []
    private var ranks: [UInt32] = []

    /// Up to this many symbols a scan for the minimum is faster than a queue.
    private static let scanLimit = 48

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
    }

    mutating func append(_ id: Int32, length: Int) {
        ids.append(id)
        lengths.append(Int32(truncatingIfNeeded: length))
    }

    mutating func mergeAll(_ merges: MergeTable) {
        guard ids.count > 1 else { return }
        if ids.count <= Self.scanLimit {
            mergeByScan(merges)
        } else {
            mergeByQueue(merges)
        }
    }

    private mutating func mergeByScan(_ merges: MergeTable) {
        ranks.removeAll(keepingCapacity: true)
        for index in 1..<ids.count { ranks.append(merges.rank(ids[index - 1], ids[index])) }
        while !ranks.isEmpty {
            var best = 0
            for index in 1..<ranks.count where ranks[index] < ranks[best] { best = index }
            guard ranks[best] != MergeTable.noRank,
                let merge = merges.merge(ids[best], ids[best + 1])
            else { return }
            ids[best] = merge.id
            lengths[best] += lengths[best + 1]
            ids.remove(at: best + 1)
            lengths.remove(at: best + 1)
            ranks.remove(at: best)
            if best > 0 { ranks[best - 1] = merges.rank(ids[best - 1], ids[best]) }
            if best < ranks.count { ranks[best] = merges.rank(ids[best], ids[best + 1]) }
        }
    }

    /// For long pieces: a linked list of symbols and a heap of candidate merges, so that hostile
    /// text without a single break costs n log n.
    private mutating func mergeByQueue(_ merges: MergeTable) {
        var next = Array(1...ids.count)
        var previous = Array(-1..<ids.count - 1)
        var heap = MergeHeap()
        let count = ids.count
        for index in 0..<count - 1 {
            heap.push(rank: merges.rank(ids[index], ids[index + 1]), position: index)
        }
        while let candidate = heap.pop() {
            let left = candidate.position
            let right = next[left]
            // A symbol that was merged away has length 0; a pair that changed has another rank.
            guard lengths[left] > 0, right < count,
                let merge = merges.merge(ids[left], ids[right]), merge.rank == candidate.rank
            else { continue }
            ids[left] = merge.id
            lengths[left] += lengths[right]
            lengths[right] = 0
            next[left] = next[right]
            if next[left] < count {
                previous[next[left]] = left
                heap.push(rank: merges.rank(merge.id, ids[next[left]]), position: left)
            }
            if previous[left] >= 0 {
                let before = previous[left]
                heap.push(rank: merges.rank(ids[before], merge.id), position: before)
            }
        }
        compact()
    }

    private mutating func compact() {
        var kept = 0
        for index in ids.indices where lengths[index] > 0 {
            ids[kept] = ids[index]
            lengths[kept] = lengths[index]
            kept += 1
        }
        ids.removeLast(ids.count - kept)
        lengths.removeLast(lengths.count - kept)
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
