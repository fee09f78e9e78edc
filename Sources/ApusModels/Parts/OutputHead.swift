internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// The map from hidden states to logits: a weight of its own or the embedding's, with what an
/// adapter lays beside it.
struct OutputHead {
    /// `[vocabulary, width]`.
    let weight: Parameter
    /// Those whose parameters ``operands(_:)`` reads.
    let units: [Unit]
    private let update: LowRankUpdate?
    private let rows: TokenRows?
    private let watcher: ((Tensor) -> Void)?

    /// - isTied: the weight is the embedding's
    /// - scope: where a weight of its own, and an adapter, are declared
    init(_ embedding: Embedding, isTied: Bool, initializer: Initializer, in scope: Scope) {
        let shape = embedding.weight.shape
        weight = isTied ? embedding.weight : scope.table("weight", shape, initializer)
        let adaptation = scope.store.adaptation
        let sharesUpdate = isTied && adaptation?.tiesUpdates ?? false
        update =
            sharesUpdate
            ? embedding.update?.ofTiedHead
            : LowRankUpdate(shape[1], shape[0], kind: .outputHead, in: scope)
        watcher = sharesUpdate ? nil : scope.watcher(kind: .outputHead)
        let indices = adaptation?.trainedRows(ofTable: scope.path)
        let sharesRows = isTied && (indices == nil || indices == embedding.rows?.indices)
        rows = sharesRows ? embedding.rows : TokenRows(width: shape[1], in: scope)
        let readsScope =
            !isTied || (update != nil && !sharesUpdate) || (rows != nil && !sharesRows)
        units = (isTied ? [embedding.unit] : []) + (readsScope ? [scope.unit] : [])
    }

    /// For models on whose hidden states another head stands: the embedding, without an adapter.
    init(_ embedding: Embedding) {
        weight = embedding.weight
        units = [embedding.unit]
        (update, rows, watcher) = (nil, nil, nil)
    }

    /// See ``LanguageModel/headOperands(_:)``.
    func operands(_ hidden: Tensor) -> (hidden: Tensor, weight: Tensor) {
        watcher?(hidden)
        let table = rows?.written(into: weight.value) ?? weight.value
        return update?.joined(hidden, table) ?? (hidden, table)
    }
}
