/// Ranks that talk over TCP through c10d's Gloo backend: between hosts, or when asked for.
public final class GlooProcessGroup: ProcessGroup {
    public let ledger = CommLedger()
    public let rank: Int
    public let worldSize: Int
    /// The job's store; its server lives in rank 0.
    public let store: KeyValueStore

    private let engine: GlooEngine
    private let worker = SerialWorker()
    private let place: GlooPlace
    private var sequences = SequenceCounter()

    init(_ engine: GlooEngine, place: GlooPlace, store: KeyValueStore) {
        self.engine = engine
        self.place = place
        self.store = store
        rank = engine.rank
        worldSize = engine.globalRanks.count
    }

    deinit { leave(nil) }

    public var backend: String { "gloo" }

    public func start(_ collective: Collective) throws(CommError) -> Work {
        let operation = makeOperation(collective)
        worker.submit { operation.execute() }
        return Work(operation)
    }

    public func run(_ collective: Collective) throws(CommError) {
        let operation = makeOperation(collective)
        worker.drain()
        operation.execute()
        try operation.wait()
    }

    private func makeOperation(_ collective: Collective) -> GlooOperation {
        let tag = collective.tag(sequence: sequences.next(collective), worldSize: worldSize)
        return GlooOperation(
            collective, tag, number: ledger.issue(tag), ledger: ledger, engine: engine,
            worker: worker)
    }

    public func subgroup(_ ranks: [Int], name: String) throws(CommError) -> any ProcessGroup {
        guard let position = ranks.firstIndex(of: rank) else {
            preconditionFailure("subgroup \(name): rank \(rank) is not among \(ranks)")
        }
        if ranks.count == 1 { return SingleRankProcessGroup() }
        var inner = place
        inner.group = "\(place.group)/\(name)"
        inner.rank = position
        worker.drain()
        return try inner.join(store, globalRanks: ranks.map { engine.globalRanks[$0] })
    }

    public func leave(_ lastWords: String?) {
        worker.stop()
        engine.leave(lastWords, hostsStore: engine.globalRanks[rank] == 0)
    }
}

/// An operation on the group's worker.
///
/// `@unchecked Sendable`: the outcome is written by the worker's thread and read after `drain` or
/// under the worker's lock; the buffers belong to the operation until then.
private final class GlooOperation: PendingOperation, @unchecked Sendable {
    private let collective: Collective
    private let tag: OperationTag
    private let number: Int
    private let ledger: CommLedger
    private let engine: GlooEngine
    private let worker: SerialWorker
    private var outcome: Result<Void, CommError>?

    init(
        _ collective: Collective, _ tag: OperationTag, number: Int, ledger: CommLedger,
        engine: GlooEngine, worker: SerialWorker
    ) {
        self.collective = collective
        self.tag = tag
        self.number = number
        self.ledger = ledger
        self.engine = engine
        self.worker = worker
    }

    func execute() {
        let began = monotonicSeconds()
        let result = Result { () throws(CommError) in try engine.execute(collective, tag) }
        var failed = false
        if case .failure = result { failed = true }
        ledger.end(number, began: began, ended: monotonicSeconds(), failed: failed)
        worker.change { outcome = result }
    }

    var isFinished: Bool { worker.read { outcome != nil } }

    func wait() throws(CommError) {
        settle()
        try outcome!.get()
    }

    func settle() { worker.wait { outcome != nil } }
}
