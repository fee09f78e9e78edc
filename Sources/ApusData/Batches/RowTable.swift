/// The rows that batches are made of: single samples, or packed ones.
struct RowTable: Sendable {
    let store: TokenStore
    private let packed: [[Int]]?
    let collator: Collator

    init(_ store: TokenStore, _ options: BatchOptions) {
        self.store = store
        let lengths = (0..<store.count).map { store.length($0) }
        packed = options.packing ? Packing.rows(lengths, rowLength: options.sequenceLength) : nil
        let fixed = options.padsToSequenceLength ? options.sequenceLength : nil
        collator = Collator(
            padding: options.paddingID, fixedLength: fixed, multiple: options.padsToMultipleOf,
            longest: lengths.max() ?? 0)
    }

    var count: Int { packed?.count ?? store.count }

    subscript(row: Int) -> [Int] { packed?[row] ?? [row] }

    func tokenCount(_ row: Int) -> Int { self[row].reduce(0) { $0 + store.length($1) } }

    /// The trained tokens of a row, each with the weight of its sample.
    func lossWeight(_ row: Int) -> Double {
        self[row].reduce(0) {
            $0 + Double(store.trainedCount($1)) * Double(store.lossWeight($1))
        }
    }

    func trainedCount(_ row: Int) -> Int { self[row].reduce(0) { $0 + store.trainedCount($1) } }

    func collate(_ rows: some Sequence<Int>) -> MicroBatch {
        collator.collate(rows.map { self[$0] }, store)
    }
}
