public import ApusTensor

/// A table `[count, width]`, looked up by integer indices.
public struct Embedding {
    public let weight: Parameter
    public let unit: Unit
    public let update: LowRankUpdate?
    /// Rows that are trained while the others are not; nil: all alike.
    public let rows: TokenRows?

    public init(
        _ count: Int, _ width: Int, initializer: Initializer = .normal(standardDeviation: 1),
        in scope: Scope
    ) {
        unit = scope.unit
        weight = scope.table("weight", [count, width], initializer)
        update = LowRankUpdate(count, width, kind: .embedding, in: scope)
        rows = TokenRows(width: width, in: scope)
    }

    /// The weight with the rows that are trained apart.
    public var table: Tensor { rows?.written(into: weight.value) ?? weight.value }

    /// Indices of any shape -> that shape + `[width]`.
    public func callAsFunction(_ indices: Tensor) -> Tensor {
        let frozen = weight.value.embedding(indices)
        let plain = rows?.replacing(frozen, at: indices, count: weight.shape[0]) ?? frozen
        guard let update else { return plain }
        return update.embedding(indices, plain: plain) { weight.value }
    }
}
