/// Every held-out sample exactly once, dealt to the ranks.
public struct EvaluationBatches: Sendable {
    /// Micro-steps that every rank takes.
    public let microSteps: Int
    /// Over all ranks.
    public let trainedTokenCount: Int
    private let table: RowTable
    private let dealing: Dealing

    public init(_ data: TokenStore, _ options: BatchOptions, rank: Int = 0, worldSize: Int = 1) {
        table = RowTable(data, options)
        dealing = Dealing(
            rank: rank, worldSize: worldSize, microBatchSize: options.microBatchSize,
            accumulationSteps: 1)
        microSteps = dealing.microSteps(rows: table.count)
        trainedTokenCount = (0..<data.count).reduce(0) { $0 + data.trainedCount($1) }
    }

    /// This rank's micro-batch; nil when there is none for it.
    public func microBatch(_ microStep: Int) -> MicroBatch? {
        precondition((0..<microSteps).contains(microStep), "microBatch: no micro-step \(microStep)")
        guard let rows = dealing.rows(ofMicroStep: microStep, rows: table.count) else { return nil }
        return table.collate(rows)
    }
}
