internal import CApusHost

/// Many token sequences: eight bytes a token, none a sequence object. Selections of a store share
/// its tokens.
public struct TokenStore: Sendable {
    private(set) var table = TokenTable.memory(ids: [], labels: [])
    /// Where each sequence stands in the table.
    private var ranges: [Range<Int>] = []
    /// Trained tokens of each sequence.
    private(set) var trained: [Int32] = []
    /// What the labels of each sequence count in the loss.
    private(set) var lossWeights: [Float] = []
    public private(set) var tokenCount = 0
    /// Tokens before those in the table, which were taken away while the store is being filled.
    private var moved = 0

    public init() {}

    /// - ends: where each sequence ends in the table; the first begins at 0
    init(_ table: TokenTable, ends: [Int], trained: [Int32], lossWeights: [Float]) {
        self.table = table
        self.lossWeights = lossWeights
        ranges = zip([0] + ends, ends).map { $0..<$1 }
        self.trained = trained
        tokenCount = ends.last ?? 0
    }

    public var count: Int { ranges.count }

    public mutating func append(_ sample: TokenizedSample) {
        append(sample, trained: sample.trainedCount)
    }

    mutating func append(_ sample: TokenizedSample, trained: Int) {
        let start = moved + table.count
        table.append(sample)
        ranges.append(start..<(start + sample.count))
        self.trained.append(Int32(trained))
        lossWeights.append(sample.lossWeight)
        tokenCount += sample.count
    }

    /// Tokens of a sequence.
    public func length(_ index: Int) -> Int { ranges[index].count }

    /// Tokens of a sequence that the loss counts.
    public func trainedCount(_ index: Int) -> Int { Int(trained[index]) }

    /// What each label of a sequence counts in the loss.
    public func lossWeight(_ index: Int) -> Float { lossWeights[index] }

    public subscript(index: Int) -> TokenizedSample {
        TokenizedSample(
            inputIDs: withIDs(index) { Array($0) }, labels: withLabels(index) { Array($0) },
            lossWeight: lossWeights[index])
    }

    func withIDs<Result, Failure: Error>(
        _ index: Int, _ body: (UnsafeBufferPointer<Int32>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try table.withIDs(ranges[index], body)
    }

    func withLabels<Result, Failure: Error>(
        _ index: Int, _ body: (UnsafeBufferPointer<Int32>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try table.withLabels(ranges[index], body)
    }

    /// Tells contents apart: a resumed run must see the same data.
    public var fingerprint: UInt64 {
        var hash: UInt64 = 1
        for index in 0..<count {
            hash = withIDs(index) { apus_hash64($0.baseAddress, 4 * $0.count, hash) }
            hash = withLabels(index) { apus_hash64($0.baseAddress, 4 * $0.count, hash) }
        }
        // Plain data has the fingerprint that it would have without weights.
        guard lossWeights.contains(where: { $0 != 1 }) else { return hash }
        return lossWeights.withUnsafeBytes { apus_hash64($0.baseAddress, $0.count, hash) }
    }

    /// The sequences with these indices, in this order.
    func selecting(_ indices: [Int]) -> TokenStore {
        var selection = TokenStore()
        selection.table = table
        selection.ranges = indices.map { ranges[$0] }
        selection.trained = indices.map { trained[$0] }
        selection.lossWeights = indices.map { lossWeights[$0] }
        selection.tokenCount = selection.ranges.reduce(0) { $0 + $1.count }
        return selection
    }

    /// Tokens in memory.
    var heldCount: Int { table.count }

    /// Takes the tokens away, into a file: nothing can be read until ``read(from:)``.
    mutating func takeTokens() -> TokenTable {
        defer {
            moved += table.count
            table = .memory(ids: [], labels: [])
        }
        return table
    }

    /// Reads the tokens from where those that were taken away stand now, all of them.
    mutating func read(from table: TokenTable) {
        precondition(table.count == moved, "TokenStore.read: \(table.count) tokens of \(moved)")
        self.table = table
        moved = 0
    }
}
