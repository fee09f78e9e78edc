internal import ApusBase
internal import ApusTensor
internal import CApusHost
internal import Synchronization

/// Queues a group's operations on a stream of their own and watches over them.
///
/// An operation waits for what the caller's current stream was given before, and `Work.wait` lets
/// the current stream wait for the operation: the host waits for neither. NCCL notices neither dead
/// nor late peers, and its kernels would spin for ever; so a thread looks at the oldest operation
/// and ends the group when it runs out of time or NCCL reports an error.
///
/// `@unchecked Sendable`: the queue of operations is a mutex; the watching thread alone uses the
/// board, the caller's alone the stream.
final class NCCLEngine: @unchecked Sendable {
    let device: Device
    let ledger = CommLedger()
    let board: RankBoard
    private let pointer: OpaquePointer
    private let stream: Stream
    private let watcher = PeriodicThread(milliseconds: 100)
    private let watched = Mutex(Watched())
    private var hasLeft = false

    /// What the caller and the watching thread share.
    private struct Watched {
        var pending: [Pending] = []
        /// Since when the oldest operation is the oldest.
        var oldestSince = 0.0
        var failure: CommError?
    }

    private struct Pending: @unchecked Sendable {
        let number: Int
        let call: CallText
        let issued: Double
        /// nil while it is being queued, which may wait for peers too.
        var done: Event?
    }

    init(_ pointer: OpaquePointer, device: Device, board: RankBoard) {
        self.pointer = pointer
        self.device = device
        self.board = board
        stream = Stream(device: device, isHighPriority: true)
        watcher.start { [weak self] in self?.look() }
    }

    deinit { apus_nccl_release(pointer) }

    var failure: CommError? { watched.withLock { $0.failure } }

    /// - Returns: the event that marks the operation's end
    func queue(_ collective: Collective, _ tag: OperationTag) throws(CommError) -> Event {
        if let failure { throw failure }
        let number = ledger.issue(tag)
        begin(Pending(
            number: number, call: CallText(collective, tag), issued: monotonicSeconds(),
            done: nil))
        let ready = Event(device: device)
        ready.record(on: .current(of: device))
        stream.wait(for: ready)
        let result = collective.withCall(worldSize: board.globalRanks.count) { call in
            apus_nccl_run(pointer, call, stream.native!)
        }
        if result != 0 { throw refusal(result, tag) }
        let done = Event(device: device)
        done.record(on: stream)
        watched.withLock { watched in
            guard let index = watched.pending.firstIndex(where: { $0.number == number }) else {
                return
            }
            watched.pending[index].done = done
        }
        return done
    }

    func leave(_ lastWords: String?) {
        guard !hasLeft else { return }
        hasLeft = true
        watcher.stop()
        // What peers still wait for is not held back by a rank that goes in disorder.
        if lastWords != nil || failure != nil { apus_nccl_abort(pointer) }
        let line = lastWords.map { String($0.prefix { $0 != "\n" }) }
        board.leave(
            line, afterFailure: failure != nil, hostsStore: board.globalRanks[board.rank] == 0)
    }

    private func begin(_ operation: Pending) {
        let isFirst = watched.withLock { watched in
            if watched.pending.isEmpty { watched.oldestSince = operation.issued }
            watched.pending.append(operation)
            return watched.pending.count == 1
        }
        if isFirst { board.enter(operation.call) }
    }

    private func refusal(_ result: Int32, _ tag: OperationTag) -> CommError {
        let error = CommError(
            .system, "rank \(board.globalRanks[board.rank]) cannot start \(tag): \(words(result))",
            at: .init(rank: board.globalRanks[board.rank], operation: tag),
            likelyCause: "NCCL cannot do this with \(tag.dtype), or an earlier CUDA call failed",
            remedy: "NCCL_DEBUG=WARN says more")
        return watched.withLock { watched in
            if watched.failure == nil { watched.failure = error }
            return watched.failure ?? error
        }
    }

    private func words(_ result: Int32) -> String { String(cString: apus_nccl_message(result)) }

    // MARK: - The watching thread

    private func look() {
        retire()
        let oldest = watched.withLock { watched in
            watched.failure == nil ? watched.pending.first.map { ($0, watched.oldestSince) } : nil
        }
        guard let (operation, since) = oldest else { return }
        let result = apus_nccl_failure(pointer)
        let isLate = monotonicSeconds() - since > board.timeoutSeconds
        guard result != 0 || isLate else { return }
        let first =
            result != 0
            ? CommError(.peerLeft, words(result)) : CommError(.timedOut, "no sign of the peers")
        let explained = board.explain(first, in: operation.call.tag)
        watched.withLock { watched in
            watched.failure = explained
            for pending in watched.pending {
                ledger.end(
                    pending.number, began: pending.issued, ended: monotonicSeconds(), failed: true)
            }
            watched.pending = []
        }
        apus_nccl_abort(pointer)
    }

    /// Takes note of what has ended.
    private func retire() {
        while true {
            let (ended, next) = watched.withLock { watched in
                guard let first = watched.pending.first, first.done?.isDone ?? false else {
                    return (Pending?.none, Pending?.none)
                }
                watched.pending.removeFirst()
                watched.oldestSince = monotonicSeconds()
                return (first, watched.pending.first)
            }
            guard let ended else { return }
            ledger.end(
                ended.number, began: ended.issued, ended: monotonicSeconds(), failed: false)
            board.stepOut(ended.call)
            if let next { board.enter(next.call) }
        }
    }
}
