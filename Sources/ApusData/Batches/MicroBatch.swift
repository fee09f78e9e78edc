/// The sequences that go through the model at once on one rank.
///
/// All arrays are row-major with `rows * length` elements.
public struct MicroBatch: Sendable, Hashable {
    public let rows: Int
    public let length: Int
    /// Token ids; padding holds the padding token.
    public fileprivate(set) var inputIDs: [Int32]
    /// The ids again where they are trained, elsewhere -100; label i is predicted from tokens
    /// before i. The first token of every document is -100.
    public fileprivate(set) var labels: [Int32]
    /// Positions within the document, from 0; 0 for padding.
    public fileprivate(set) var positions: [Int32]
    /// Which document of its row a token belongs to, from 1; 0 for padding. Tokens attend only to
    /// their own document.
    public fileprivate(set) var documents: [Int32]
    /// Tokens that are not padding.
    public fileprivate(set) var tokenCount = 0
    /// Labels that are not -100: what the loss sums over.
    public fileprivate(set) var trainedTokenCount = 0
    /// What the label of each token counts in the loss; nil: one.
    public fileprivate(set) var lossWeights: [Float]?
    /// Whether any row holds several documents: then attention must be masked by ``documents``.
    /// Without it, plain causal attention is right, since padding stands at the end of rows.
    public fileprivate(set) var isPacked = false

    /// A sequence of padding that trains nothing: for a rank that has to compute along.
    public static let padding = MicroBatch(rows: 1, length: 2, padding: 0)

    fileprivate init(rows: Int, length: Int, padding: Int32) {
        self.rows = rows
        self.length = length
        let count = rows * length
        inputIDs = [Int32](repeating: padding, count: count)
        labels = [Int32](repeating: TokenizedSample.ignoredLabel, count: count)
        positions = [Int32](repeating: 0, count: count)
        documents = [Int32](repeating: 0, count: count)
    }
}

/// Lays rows of samples out as a ``MicroBatch``.
struct Collator: Sendable {
    let padding: Int32
    /// Every row has this length; nil pads to the longest row of the micro-batch.
    let fixedLength: Int?
    /// Lengths are rounded up to a multiple.
    let multiple: Int
    /// 0, 1, 2, ...: sliced for the positions of every document.
    private let ramp: [Int32]

    init(padding: Int32, fixedLength: Int?, multiple: Int, longest: Int) {
        precondition(multiple > 0, "Collator: rows are padded to a multiple of at least 1")
        self.padding = padding
        self.fixedLength = fixedLength
        self.multiple = multiple
        ramp = (0..<Int32(longest)).map { $0 }
    }

    /// - Parameter rows: for each row the samples in it.
    func collate(_ rows: [[Int]], _ store: TokenStore) -> MicroBatch {
        let longest = rows.map { row in row.reduce(0) { $0 + store.length($1) } }.max() ?? 0
        let wanted = fixedLength ?? longest
        precondition(longest <= wanted, "collate: a row of \(longest) tokens for \(wanted)")
        let length = (wanted + multiple - 1) / multiple * multiple
        var batch = MicroBatch(rows: rows.count, length: length, padding: padding)
        let isWeighted = rows.contains { $0.contains { store.lossWeight($0) != 1 } }
        if isWeighted { batch.lossWeights = Array(repeating: 1, count: rows.count * length) }
        for (number, row) in rows.enumerated() {
            var start = number * length
            for (document, sample) in row.enumerated() {
                let count = store.length(sample)
                let target = start..<(start + count)
                store.withIDs(sample) { batch.inputIDs.replaceSubrange(target, with: $0) }
                store.withLabels(sample) { batch.labels.replaceSubrange(target, with: $0) }
                batch.positions.replaceSubrange(target, with: ramp[..<count])
                let mark = repeatElement(Int32(document + 1), count: count)
                batch.documents.replaceSubrange(target, with: mark)
                let weight = repeatElement(store.lossWeight(sample), count: count)
                batch.lossWeights?.replaceSubrange(target, with: weight)
                batch.tokenCount += count
                batch.trainedTokenCount += store.trainedCount(sample)
                start = target.upperBound
            }
            if row.count > 1 { batch.isPacked = true }
        }
        return batch
    }
}
