/// The data of one optimizer step, as one rank sees it.
public struct OptimizerWindow: Sendable {
    /// Counted from 0.
    public let epoch: Int
    /// The step within its epoch, from 0.
    public let indexInEpoch: Int
    public let isLastOfEpoch: Bool
    /// Micro-steps that every rank takes, also one that has no micro-batch in some.
    public let microSteps: Int
    /// Rows, tokens and trained tokens over all ranks.
    public let rowCount: Int
    public let tokenCount: Int
    public let trainedTokenCount: Int
    /// The trained tokens, each with the weight of its sample: what the sum of the losses is
    /// divided by. Every rank knows it without asking.
    public let lossWeight: Double

    private let order: [Int]
    private let table: RowTable
    private let dealing: Dealing

    init(
        _ table: RowTable, _ dealing: Dealing, order: [Int],
        place: (epoch: Int, step: Int, isLast: Bool)
    ) {
        epoch = place.epoch
        indexInEpoch = place.step
        isLastOfEpoch = place.isLast
        microSteps = dealing.microSteps(rows: order.count)
        rowCount = order.count
        tokenCount = order.reduce(0) { $0 + table.tokenCount($1) }
        trainedTokenCount = order.reduce(0) { $0 + table.trainedCount($1) }
        lossWeight = order.reduce(0) { $0 + table.lossWeight($1) }
        self.order = order
        self.table = table
        self.dealing = dealing
    }

    /// This rank's micro-batch, made when asked for; nil when there is none for it.
    public func microBatch(_ microStep: Int) -> MicroBatch? {
        precondition((0..<microSteps).contains(microStep), "microBatch: no micro-step \(microStep)")
        guard let rows = dealing.rows(ofMicroStep: microStep, rows: order.count) else { return nil }
        return table.collate(order[rows])
    }
}
