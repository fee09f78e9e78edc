internal import CApusHost

/// Many token sequences end to end in memory: eight bytes a token, none a sequence object.
public struct TokenStore: Sendable {
    var inputIDs: [Int32] = []
    var labels: [Int32] = []
    /// Where each sequence ends.
    var ends: [Int] = []
    /// Trained tokens of each sequence.
    var trained: [Int32] = []
    /// What the labels of each sequence count in the loss.
    var lossWeights: [Float] = []

    public init() {}

    public var count: Int { ends.count }
    public var tokenCount: Int { inputIDs.count }

    public mutating func append(_ sample: TokenizedSample) {
        append(sample, trained: sample.trainedCount)
    }

    mutating func append(_ sample: TokenizedSample, trained: Int) {
        inputIDs += sample.inputIDs
        labels += sample.labels
        ends.append(inputIDs.count)
        self.trained.append(Int32(trained))
        lossWeights.append(sample.lossWeight)
    }

    /// Where a sequence stands in ``inputIDs`` and ``labels``.
    func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    /// Tokens of a sequence.
    public func length(_ index: Int) -> Int { range(index).count }

    /// Tokens of a sequence that the loss counts.
    public func trainedCount(_ index: Int) -> Int { Int(trained[index]) }

    /// What each label of a sequence counts in the loss.
    public func lossWeight(_ index: Int) -> Float { lossWeights[index] }

    public subscript(index: Int) -> TokenizedSample {
        let range = range(index)
        return TokenizedSample(
            inputIDs: Array(inputIDs[range]), labels: Array(labels[range]),
            lossWeight: lossWeights[index])
    }

    /// Tells contents apart: a resumed run must see the same data.
    public var fingerprint: UInt64 {
        let ids = inputIDs.withUnsafeBytes { apus_hash64($0.baseAddress, $0.count, 1) }
        let both = labels.withUnsafeBytes { apus_hash64($0.baseAddress, $0.count, ids) }
        let all = ends.withUnsafeBytes { apus_hash64($0.baseAddress, $0.count, both) }
        // Plain data keeps the fingerprint that it had before there were weights.
        guard lossWeights.contains(where: { $0 != 1 }) else { return all }
        return lossWeights.withUnsafeBytes { apus_hash64($0.baseAddress, $0.count, all) }
    }

    /// The sequences with these indices, in this order.
    func selecting(_ indices: [Int]) -> TokenStore {
        var selection = TokenStore()
        for index in indices {
            let range = range(index)
            selection.inputIDs += inputIDs[range]
            selection.labels += labels[range]
            selection.ends.append(selection.inputIDs.count)
            selection.trained.append(trained[index])
            selection.lossWeights.append(lossWeights[index])
        }
        return selection
    }
}
