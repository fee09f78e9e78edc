/// Executes one operation after the other; called by one thread at a time.
protocol CollectiveExecutor: AnyObject, Sendable {
    var worldSize: Int { get }
    func execute(_ collective: Collective, _ tag: OperationTag) throws(CommError)
}

/// Numbers, records and runs a group's operations in order: those that were started on a thread of
/// its own, the others on the caller's after all that were started before.
final class CollectiveQueue {
    let ledger = CommLedger()
    private let executor: any CollectiveExecutor
    private let worker = SerialWorker()
    private var sequences = SequenceCounter()

    init(_ executor: any CollectiveExecutor) { self.executor = executor }

    func start(_ collective: Collective) -> Work {
        let operation = makeOperation(collective)
        worker.submit { operation.execute() }
        return Work(operation)
    }

    func run(_ collective: Collective) throws(CommError) {
        let operation = makeOperation(collective)
        worker.drain()
        operation.execute()
        try operation.wait()
    }

    /// Returns when everything that was started has ended.
    func drain() { worker.drain() }

    /// Executes what is left; nothing can be started afterwards.
    func stop() { worker.stop() }

    private func makeOperation(_ collective: Collective) -> QueuedOperation {
        let tag = collective.tag(
            sequence: sequences.next(collective), worldSize: executor.worldSize)
        return QueuedOperation(
            collective, tag, number: ledger.issue(tag), ledger: ledger, executor: executor,
            worker: worker)
    }
}

/// An operation on a queue's worker.
///
/// `@unchecked Sendable`: the outcome is written by the worker's thread and read after `drain` or
/// under the worker's lock; the buffers belong to the operation until then.
private final class QueuedOperation: PendingOperation, @unchecked Sendable {
    private let collective: Collective
    private let tag: OperationTag
    private let number: Int
    private let ledger: CommLedger
    private let executor: any CollectiveExecutor
    private let worker: SerialWorker
    private var outcome: Result<Void, CommError>?

    init(
        _ collective: Collective, _ tag: OperationTag, number: Int, ledger: CommLedger,
        executor: any CollectiveExecutor, worker: SerialWorker
    ) {
        self.collective = collective
        self.tag = tag
        self.number = number
        self.ledger = ledger
        self.executor = executor
        self.worker = worker
    }

    func execute() {
        let began = monotonicSeconds()
        let result = Result { () throws(CommError) in try executor.execute(collective, tag) }
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
