/// The optimizer steps of training, epoch after epoch without end.
///
/// Every rank makes one of its own from the same data, options and seed; nothing is communicated.
public struct TrainingBatches: Sendable {
    public let dealing: Dealing
    private let options: BatchOptions
    private let table: RowTable
    private let fingerprint: UInt64
    private var epoch = 0
    private var rowsUsed = 0
    private var order: [Int] = []

    /// - Parameter data: at least one sample.
    public init(_ data: TokenStore, _ options: BatchOptions, rank: Int = 0, worldSize: Int = 1) {
        precondition(data.count > 0, "TrainingBatches: there are no samples")
        self.options = options
        dealing = Dealing(
            rank: rank, worldSize: worldSize, microBatchSize: options.microBatchSize,
            accumulationSteps: options.accumulationSteps)
        table = RowTable(data, options)
        fingerprint = data.fingerprint
        order = Self.order(of: 0, table, options)
    }

    private static func order(of epoch: Int, _ table: RowTable, _ options: BatchOptions) -> [Int] {
        guard options.shuffles else { return Array(0..<table.count) }
        return Shuffle.permutation(table.count, seed: options.seed, stream: .epoch(epoch))
    }

    /// Rows of an epoch: samples, or packed rows.
    public var rowsPerEpoch: Int { table.count }

    /// Optimizer steps of an epoch; the last may be short.
    public var stepsPerEpoch: Int { dealing.stepsPerEpoch(rows: table.count) }

    /// The share of the tokens in full rows that is not padding; 1 when rows are not packed to a
    /// length.
    public var packingEfficiency: Double {
        guard options.packing else { return 1 }
        return Double(table.store.tokenCount) / Double(table.count * options.sequenceLength)
    }

    /// Where the next step begins.
    public var cursor: DataCursor {
        DataCursor(epoch: epoch, rowsUsed: rowsUsed, seed: options.seed, fingerprint: fingerprint)
    }

    /// Goes to where a cursor was taken. Throws when the data or the seed is another one.
    public mutating func resume(at cursor: DataCursor) throws(ResumeError) {
        guard cursor.fingerprint == fingerprint else {
            throw ResumeError(
                summary: "the data set is not the one that the checkpoint was trained on",
                likelyCause: "the files, the tokenizer, sequence_len or val_set_size changed",
                remedy: "restore them, or start a new run from the checkpoint's weights")
        }
        guard cursor.seed == options.seed else {
            throw ResumeError(
                summary:
                    "the seed is \(options.seed), the checkpoint was trained with \(cursor.seed)",
                likelyCause: "the recipe changed", remedy: "set seed: \(cursor.seed)")
        }
        guard cursor.rowsUsed < table.count else {
            throw ResumeError(
                summary:
                    "the checkpoint used \(cursor.rowsUsed) rows of an epoch of \(table.count)",
                likelyCause: "sample_packing or sequence_len changed",
                remedy: "restore them, or start a new run from the checkpoint's weights")
        }
        epoch = cursor.epoch
        rowsUsed = cursor.rowsUsed
        order = Self.order(of: epoch, table, options)
    }

    /// The next optimizer step.
    public mutating func next() -> OptimizerWindow {
        let end = min(rowsUsed + dealing.globalBatchSize, table.count)
        let place = (epoch, rowsUsed / dealing.globalBatchSize, end == table.count)
        let window = OptimizerWindow(
            table, dealing, order: Array(order[rowsUsed..<end]), place: place)
        rowsUsed = end
        if end == table.count {
            epoch += 1
            rowsUsed = 0
            order = Self.order(of: epoch, table, options)
        }
        return window
    }
}
