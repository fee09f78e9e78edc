/// Finds merges: always the pair of symbols that stands together most often, of equal ones the pair
/// of the smallest ids.
struct MergeLearner {
    private(set) var table: TokenTable
    /// By rank.
    private(set) var merges: [(left: String, right: String)] = []

    private var words: TrainingWords
    private var counts: [SymbolPair: Int] = [:]
    private var queue = PairQueue()
    /// Of one word; kept for its memory.
    private var changes: [PairChange] = []

    init(words wordCounts: [[UInt8]: Int], table: TokenTable) {
        self.table = table
        let ids = (0..<256).map { table.id(of: ByteAlphabet.encode([UInt8($0)])) ?? -1 }
        words = TrainingWords(wordCounts, ids: ids)
        var places: [SymbolPair: [Int32]] = [:]
        for word in 0..<words.count {
            for pair in words.pairs(of: word) {
                counts[pair, default: 0] += words.weights[word]
                places[pair, default: []].appendIfNew(Int32(word))
            }
        }
        for (pair, places) in places { queue.push(counts[pair, default: 0], pair, places) }
    }

    mutating func learn(_ options: BytePairTrainer.Options) {
        var found: [(pair: SymbolPair, id: Int32)] = []
        while table.count < options.vocabularySize, let top = queue.pop() {
            let count = counts[top.pair, default: 0]
            // Merges of other pairs have taken some of its places: it waits for its turn.
            guard count == top.count else {
                queue.push(count, top.pair, top.places)
                continue
            }
            guard count >= max(options.minimumFrequency, 1) else { break }
            let text = table.tokens[Int(top.pair.left)] + table.tokens[Int(top.pair.right)]
            table.add(text)
            guard let id = table.id(of: text) else { break }
            found.append((top.pair, id))
            merge(top, into: id)
        }
        collect(found)
    }

    private mutating func merge(_ entry: PairQueue.Entry, into id: Int32) {
        var places: [SymbolPair: [Int32]] = [:]
        for word in entry.places {
            let weight = words.weights[Int(word)]
            changes.removeAll(keepingCapacity: true)
            words.merge(entry.pair, into: id, in: Int(word), &changes)
            for (pair, change) in changes {
                counts[pair, default: 0] += change * weight
                if change > 0 { places[pair, default: []].appendIfNew(word) }
            }
        }
        for (pair, places) in places {
            let count = counts[pair, default: 0]
            if count > 0 { queue.push(count, pair, places) }
        }
    }

    /// A pair can be found twice, when another pair spells the same token: the later rank counts.
    private mutating func collect(_ found: [(pair: SymbolPair, id: Int32)]) {
        var ranks: [SymbolPair: Int] = [:]
        for (rank, merge) in found.enumerated() { ranks[merge.pair] = rank }
        for (rank, merge) in found.enumerated() where ranks[merge.pair] == rank {
            merges.append(
                (table.tokens[Int(merge.pair.left)], table.tokens[Int(merge.pair.right)]))
        }
    }
}

/// Two symbols side by side.
struct SymbolPair: Hashable, Comparable {
    let left: Int32
    let right: Int32

    static func < (first: SymbolPair, second: SymbolPair) -> Bool {
        (first.left, first.right) < (second.left, second.right)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)))
    }
}

/// A pair of symbols, and 1 where it newly stands in a word, -1 where it no longer does.
typealias PairChange = (pair: SymbolPair, change: Int)

/// The different words of a corpus as symbols, one after another in one array.
struct TrainingWords {
    private var symbols: [Int32] = []
    private var starts: [Int] = []
    private var lengths: [Int32] = []
    /// How often each word was seen.
    private(set) var weights: [Int] = []

    var count: Int { weights.count }

    /// - Parameter ids: the symbol of each byte.
    init(_ wordCounts: [[UInt8]: Int], ids: [Int32]) {
        for (word, count) in wordCounts {
            starts.append(symbols.count)
            lengths.append(Int32(word.count))
            weights.append(count)
            for byte in word { symbols.append(ids[Int(byte)]) }
        }
    }

    func pairs(of word: Int) -> [SymbolPair] {
        let symbols = symbols[starts[word]..<starts[word] + Int(lengths[word])]
        return zip(symbols, symbols.dropFirst()).map { SymbolPair(left: $0, right: $1) }
    }

    /// Replaces the pair by one symbol, left to right, and appends which pairs come and go.
    mutating func merge(
        _ pair: SymbolPair, into id: Int32, in word: Int, _ changes: inout [PairChange]
    ) {
        let start = starts[word]
        let end = start + Int(lengths[word])
        var (read, write) = (start, start)
        while read < end {
            let isPair =
                read + 1 < end && symbols[read] == pair.left && symbols[read + 1] == pair.right
            guard isPair else {
                symbols[write] = symbols[read]
                read += 1
                write += 1
                continue
            }
            if write > start {
                changes.append((SymbolPair(left: symbols[write - 1], right: pair.left), -1))
                changes.append((SymbolPair(left: symbols[write - 1], right: id), 1))
            }
            read += 2
            if read < end {
                changes.append((SymbolPair(left: pair.right, right: symbols[read]), -1))
                changes.append((SymbolPair(left: id, right: symbols[read]), 1))
            }
            symbols[write] = id
            write += 1
        }
        lengths[word] = Int32(write - start)
    }
}

/// Pairs that wait to be merged, the most frequent first, then the smallest.
struct PairQueue {
    struct Entry {
        var count: Int
        var pair: SymbolPair
        /// The words that hold the pair, as far as this entry knows them.
        var places: [Int32]
    }

    private var entries: [Entry] = []

    mutating func push(_ count: Int, _ pair: SymbolPair, _ places: [Int32]) {
        entries.append(Entry(count: count, pair: pair, places: places))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(child, parent) else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Entry? {
        guard !entries.isEmpty else { return nil }
        entries.swapAt(0, entries.count - 1)
        let top = entries.removeLast()
        var parent = 0
        while true {
            var first = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && precedes(child, first) { first = child }
            if first == parent { return top }
            entries.swapAt(parent, first)
            parent = first
        }
    }

    private func precedes(_ first: Int, _ second: Int) -> Bool {
        if entries[first].count != entries[second].count {
            return entries[first].count > entries[second].count
        }
        return entries[first].pair < entries[second].pair
    }
}

extension [Int32] {
    fileprivate mutating func appendIfNew(_ element: Int32) {
        if last != element { append(element) }
    }
}
