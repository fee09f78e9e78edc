/// One sample as a model sees it.
public struct TokenizedSample: Sendable, Hashable {
    /// The label of a token that is not trained.
    public static let ignoredLabel: Int32 = -100

    public var inputIDs: [Int32]
    /// For each token itself, or ``ignoredLabel``. The model predicts label i from the tokens
    /// before i.
    public var labels: [Int32]
    /// What each of its labels counts in the loss.
    public var lossWeight: Float

    public init(inputIDs: [Int32], labels: [Int32], lossWeight: Float = 1) {
        precondition(inputIDs.count == labels.count, "TokenizedSample: one label for each token")
        self.inputIDs = inputIDs
        self.labels = labels
        self.lossWeight = lossWeight
        // Nothing stands before the first token from which it could be predicted.
        if !labels.isEmpty { self.labels[0] = Self.ignoredLabel }
    }

    public var count: Int { inputIDs.count }

    /// The tokens that the loss counts.
    public var trainedCount: Int {
        labels.reduce(0) { $0 + ($1 == Self.ignoredLabel ? 0 : 1) }
    }

    mutating func truncate(to length: Int) {
        guard count > length else { return }
        inputIDs.removeLast(count - length)
        labels.removeLast(labels.count - length)
    }

    func part(_ range: Range<Int>) -> TokenizedSample {
        TokenizedSample(
            inputIDs: Array(inputIDs[range]), labels: Array(labels[range]), lossWeight: lossWeight)
    }
}
