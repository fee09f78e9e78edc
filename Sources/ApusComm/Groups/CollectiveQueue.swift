/// Executes one operation after the other; called by one thread at a time.
protocol CollectiveExecutor: AnyObject, Sendable {
    var worldSize: Int { get }
    func execute(_ collective: Collective, _ tag: OperationTag) throws(CommError)
}

/// Numbers, records and runs a group's operations in order: those that were started on a thread of
/// its own, the others on the caller's after all that were started before.
final class CollectiveQueue {
    let ledger = CommLedger()
    fileprivate let executor: any CollectiveExecutor
    fileprivate let worker = SerialWorker()
    fileprivate let record: GroupRecord
    private var sequences = SequenceCounter()

    /// - Parameters:
    ///   - group: what the group is, for its flight record
    ///   - globalRank: what this rank is called in messages
    init(
        _ executor: any CollectiveExecutor, _ recorder: FlightRecorder, group: String,
        globalRank: Int
    ) {
        self.executor = executor
        record = GroupRecord(recorder, ledger, group: group, rank: globalRank)
    }

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
    func stop(_ lastWords: String?) {
        worker.stop()
        record.leave(lastWords)
    }

    private func makeOperation(_ collective: Collective) -> QueuedOperation {
        collective.requireHostMemory("this group")
        let tag = collective.tag(
            sequence: sequences.next(collective), worldSize: executor.worldSize)
        return QueuedOperation(collective, tag, number: ledger.issue(tag), queue: self)
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
    private let queue: CollectiveQueue
    private var outcome: Result<Void, CommError>?

    init(_ collective: Collective, _ tag: OperationTag, number: Int, queue: CollectiveQueue) {
        self.collective = collective
        self.tag = tag
        self.number = number
        self.queue = queue
    }

    func execute() {
        let began = monotonicSeconds()
        let result = Result { () throws(CommError) in
            try queue.executor.execute(collective, tag)
        }
        var failed = false
        if case .failure = result { failed = true }
        queue.ledger.end(number, began: began, ended: monotonicSeconds(), failed: failed)
        queue.worker.change { outcome = result }
    }

    var isFinished: Bool { queue.worker.read { outcome != nil } }

    func wait() throws(CommError) {
        settle()
        if case .failure(let error) = outcome { throw queue.record.add(to: error) }
    }

    func settle() { queue.worker.wait { outcome != nil } }
}
