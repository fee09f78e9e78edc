internal import ApusBase
internal import ApusFormats

/// The tokens and labels of many sequences end to end: in memory, or in mapped files, which may be
/// larger than it.
enum TokenTable: Sendable {
    case memory(ids: [Int32], labels: [Int32])
    case mapped(ids: MappedTokens, labels: MappedTokens)

    /// Token numbers that stand in a file.
    struct MappedTokens: Sendable {
        let file: MappedFile
        /// Of the first one, in bytes.
        let offset: Int
        let count: Int

        init(_ file: MappedFile, offset: Int = 0, count: Int) {
            precondition(
                offset % 4 == 0 && offset + 4 * count <= file.size,
                "MappedTokens: \(count) tokens at \(offset) of \(file.size) bytes")
            self.file = file
            self.offset = offset
            self.count = count
        }

        func with<Result, Failure: Error>(
            _ range: Range<Int>, _ body: (UnsafeBufferPointer<Int32>) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            precondition(range.upperBound <= count, "MappedTokens: beyond the last token")
            return try file.withBytes { bytes throws(Failure) in
                let begin = offset + 4 * range.lowerBound
                let part = UnsafeRawBufferPointer(
                    rebasing: bytes[begin..<(begin + 4 * range.count)])
                return try body(part.assumingMemoryBound(to: Int32.self))
            }
        }
    }

    var count: Int {
        switch self {
        case .memory(let ids, _): ids.count
        case .mapped(let ids, _): ids.count
        }
    }

    func withIDs<Result, Failure: Error>(
        _ range: Range<Int>, _ body: (UnsafeBufferPointer<Int32>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch self {
        case .memory(let ids, _): try Self.with(ids, range, body)
        case .mapped(let ids, _): try ids.with(range, body)
        }
    }

    func withLabels<Result, Failure: Error>(
        _ range: Range<Int>, _ body: (UnsafeBufferPointer<Int32>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch self {
        case .memory(_, let labels): try Self.with(labels, range, body)
        case .mapped(_, let labels): try labels.with(range, body)
        }
    }

    private static func with<Result, Failure: Error>(
        _ numbers: [Int32], _ range: Range<Int>,
        _ body: (UnsafeBufferPointer<Int32>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try numbers.withUnsafeBufferPointer { all throws(Failure) in
            try body(UnsafeBufferPointer(rebasing: all[range]))
        }
    }

    mutating func append(_ sample: TokenizedSample) {
        guard case .memory(var ids, var labels) = self else {
            preconditionFailure("TokenTable.append: the table stands in a file")
        }
        // Otherwise the arrays would be copied.
        self = .memory(ids: [], labels: [])
        ids += sample.inputIDs
        labels += sample.labels
        self = .memory(ids: ids, labels: labels)
    }
}
