public import ApusTensor

/// A table `[count, width]`, looked up by integer indices.
public struct Embedding {
    public let weight: Parameter

    public init(
        _ count: Int, _ width: Int, initializer: Initializer = .normal(standardDeviation: 1),
        in scope: Scope
    ) {
        weight = scope.parameter("weight", [count, width], initializer)
    }

    /// Indices of any shape -> that shape + `[width]`.
    public func callAsFunction(_ indices: Tensor) -> Tensor { weight.value.embedding(indices) }
}
