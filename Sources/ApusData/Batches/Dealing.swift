/// Who gets what of one optimizer step: arithmetic that every rank does for itself, with one
/// answer.
///
/// The rows of a step are cut into micro-batches in their order, and these are dealt to the ranks
/// in turn. With r ranks and k micro-steps the step holds r * k micro-batches, so that any such r
/// and k with the same product see the same rows in the same step. In the last step of an epoch
/// some ranks may get fewer micro-batches than others, or none: no row is repeated to fill them.
public struct Dealing: Sendable, Hashable {
    public let rank: Int
    public let worldSize: Int
    /// Rows of a micro-batch.
    public let microBatchSize: Int
    /// Micro-batches that a rank gets in a full step.
    public let accumulationSteps: Int

    public init(rank: Int, worldSize: Int, microBatchSize: Int, accumulationSteps: Int) {
        precondition(
            worldSize > 0 && (0..<worldSize).contains(rank),
            "Dealing: rank \(rank) of \(worldSize)")
        precondition(
            microBatchSize > 0 && accumulationSteps > 0,
            "Dealing: \(microBatchSize) rows, \(accumulationSteps) micro-batches")
        self.rank = rank
        self.worldSize = worldSize
        self.microBatchSize = microBatchSize
        self.accumulationSteps = accumulationSteps
    }

    /// Rows of all ranks in a full step.
    public var globalBatchSize: Int { microBatchSize * accumulationSteps * worldSize }

    /// Optimizer steps of an epoch; the last may be short.
    public func stepsPerEpoch(rows: Int) -> Int {
        (rows + globalBatchSize - 1) / globalBatchSize
    }

    /// Micro-steps of a step with so many rows: as many as the busiest rank has micro-batches. All
    /// ranks take part in each, as collectives demand.
    func microSteps(rows: Int) -> Int {
        let batches = (rows + microBatchSize - 1) / microBatchSize
        return (batches + worldSize - 1) / worldSize
    }

    /// This rank's rows in a micro-step, counted within the step; nil when there are none for it.
    func rows(ofMicroStep microStep: Int, rows: Int) -> Range<Int>? {
        let start = (microStep * worldSize + rank) * microBatchSize
        guard start < rows else { return nil }
        return start..<min(start + microBatchSize, rows)
    }
}
