/// How rows become micro-batches.
public struct BatchOptions: Sendable, Hashable {
    /// Rows of a micro-batch.
    public var microBatchSize = 1
    /// Micro-batches of a rank in an optimizer step.
    public var accumulationSteps = 1
    /// The token that fills rows; never trained.
    public var paddingID: Int32 = 0
    /// Several samples in a row, each a document of its own.
    public var packing = false
    /// Tokens of a packed row, and of every row when `padsToSequenceLength`.
    public var sequenceLength = 512
    public var padsToSequenceLength = false
    public var padsToMultipleOf = 1
    /// Whether each epoch has an order of its own; otherwise all have the files' order.
    public var shuffles = true
    public var seed: UInt64 = 42

    public init() {}
}
