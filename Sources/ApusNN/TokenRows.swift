internal import ApusBase
public import ApusTensor

/// Rows of a frozen table that are trained, such as those of new tokens.
///
/// As PEFT has it, `token_adapter.trainable_tokens_delta` `[rows, width]` holds the rows
/// themselves.
public struct TokenRows {
    /// Which rows of the table.
    public let indices: [Int]
    public let values: Parameter

    /// nil where the store's adaptation trains no rows of the table of this scope.
    public init?(width: Int, in scope: Scope) {
        guard let indices = scope.store.adaptation?.trainedRows(ofTable: scope.path) else {
            return nil
        }
        self.indices = indices
        values = scope["token_adapter"].adapterParameter(
            "trainable_tokens_delta", [indices.count, width], .zeros)
    }

    /// A copy of the table `[count, width]` with the rows in their places.
    public func written(into table: Tensor) -> Tensor {
        table.indexCopy(0, Tensor(indices).to(device: table.device), source: values.value)
    }

    /// What was looked up in a table of `count` rows, with the trained ones instead of the frozen.
    ///
    /// - plain: `tokens.shape + [width]`
    func replacing(_ plain: Tensor, at tokens: Tensor, count: Int) -> Tensor {
        let device = plain.device
        let rows = values.value
        let none = indices.count
        // The place of each token's row among the trained ones; the row after them is zero.
        let numbers = Tensor.arange(Double(none), dtype: .int64, device: device)
        let places = Tensor.full([count], Double(none), dtype: .int64, device: device)
            .indexCopy(0, Tensor(indices).to(device: device), source: numbers)
            .indexSelect(0, tokens.reshape(-1)).reshape(tokens.shape)
        let padded = Tensor.concatenate([rows, rows.slice(0, 0..<1).detached().zerosLike()])
        let isFrozen = places.isEqual(to: Double(none)).to(plain.dtype).unsqueeze(-1)
        return plain * isFrozen + padded.embedding(places)
    }
}
