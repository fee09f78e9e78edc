/// Puts samples of different lengths together into rows of one length.
///
/// Best-fit decreasing (Johnson 1973): the longest samples first, each into the fullest row in
/// which it still fits. At most 11/9 of the fewest possible rows, in practice within a percent.
enum Packing {
    /// - Returns: for each row the samples in it, ascending; rows ordered by their first sample.
    static func rows(_ lengths: [Int], rowLength: Int) -> [[Int]] {
        var rows: [[Int]] = []
        // Rows by the room that is left in them, and which rooms occur.
        var byRoom = [[Int]](repeating: [], count: rowLength + 1)
        var rooms = BitSet(count: rowLength + 1)
        for sample in longestFirst(lengths, limit: rowLength) {
            let length = lengths[sample]
            if let room = rooms.first(atLeast: length) {
                let row = byRoom[room].removeLast()
                if byRoom[room].isEmpty { rooms.remove(room) }
                rows[row].append(sample)
                byRoom[room - length].append(row)
                rooms.insert(room - length)
            } else {
                rows.append([sample])
                byRoom[rowLength - length].append(rows.count - 1)
                rooms.insert(rowLength - length)
            }
        }
        let ordered = rows.map { $0.sorted() }
        return ordered.sorted { $0[0] < $1[0] }
    }

    /// Indices by descending length, equal ones in their order (counting sort).
    private static func longestFirst(_ lengths: [Int], limit: Int) -> [Int] {
        var byLength = [[Int]](repeating: [], count: limit + 1)
        for (index, length) in lengths.enumerated() {
            precondition(
                length > 0 && length <= limit,
                "Packing: a sample of \(length) tokens for rows of \(limit)")
            byLength[length].append(index)
        }
        return byLength.reversed().flatMap { $0 }
    }
}

/// A set of small numbers with a fast search for the next larger one.
private struct BitSet {
    private var words: [UInt64]

    init(count: Int) { words = [UInt64](repeating: 0, count: count / 64 + 1) }

    mutating func insert(_ number: Int) { words[number / 64] |= 1 << UInt64(number % 64) }

    mutating func remove(_ number: Int) { words[number / 64] &= ~(1 << UInt64(number % 64)) }

    func first(atLeast number: Int) -> Int? {
        var index = number / 64
        var word = words[index] & (~0 << UInt64(number % 64))
        while word == 0 {
            index += 1
            guard index < words.count else { return nil }
            word = words[index]
        }
        return index * 64 + word.trailingZeroBitCount
    }
}
