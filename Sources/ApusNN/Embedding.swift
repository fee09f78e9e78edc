public import ApusTensor

/// A table `[count, width]`, looked up by integer indices.
public struct Embedding {
    public let weight: Parameter
    private let update: LowRankUpdate?

    public init(
        _ count: Int, _ width: Int, initializer: Initializer = .normal(standardDeviation: 1),
        in scope: Scope
    ) {
        weight = scope.table("weight", [count, width], initializer)
        update = LowRankUpdate(count, width, kind: .embedding, in: scope)
    }

    /// Indices of any shape -> that shape + `[width]`.
    public func callAsFunction(_ indices: Tensor) -> Tensor {
        let plain = weight.value.embedding(indices)
        guard let update else { return plain }
        return update.embedding(indices, plain: plain) { weight.value }
    }
}
