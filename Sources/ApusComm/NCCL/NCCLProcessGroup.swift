internal import ApusBase
public import ApusTensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Ranks with a GPU each, which talk through NCCL; all tensors are on this rank's device.
///
/// Operations run beside computation on a stream of their own. `wait` (and so the blocking form of
/// a call) makes the current stream wait, not the host, but for `barrier`, which returns when all
/// ranks have come. So an operation's failure is thrown by the first call after it was noticed.
///
/// NCCL sums bf16 and fp16 in an order of its own and rounds in between; gather, scatter,
/// all-to-all and reduce-scatters into a wider dtype are not there.
public final class NCCLProcessGroup: ProcessGroup {
    public let rank: Int
    public let worldSize: Int

    private let engine: NCCLEngine
    private let place: NCCLPlace
    private let store: KeyValueStore
    private let record: GroupRecord
    private var sequences = SequenceCounter()

    init(_ engine: NCCLEngine, place: NCCLPlace, store: KeyValueStore) {
        self.engine = engine
        self.place = place
        self.store = store
        rank = engine.board.rank
        worldSize = engine.board.globalRanks.count
        record = GroupRecord(
            place.meeting.recorder, engine.ledger,
            group: "\(place.meeting.group), nccl among \(engine.board.globalRanks)",
            rank: engine.board.globalRanks[engine.board.rank])
    }

    deinit { leave(nil) }

    public var backend: String { "nccl" }
    public var ledger: CommLedger { engine.ledger }
    public var device: Device { engine.device }

    public func start(_ collective: Collective) throws(CommError) -> Work {
        Work(try queue(collective))
    }

    public func run(_ collective: Collective) throws(CommError) {
        try queue(collective).wait()
    }

    private func queue(_ collective: Collective) throws(CommError) -> NCCLOperation {
        try requireSupport(collective)
        let tag = collective.tag(sequence: sequences.next(collective), worldSize: worldSize)
        var call = collective
        if collective.kind == .barrier {
            let one = Tensor.zeros([1], device: device).commBuffer
            call = .allReduce(one, .sum, collective.label)
        }
        call.requireMemory(of: device)
        do {
            return NCCLOperation(
                call, done: try engine.queue(call, tag), engine: engine, record: record,
                hostWaits: collective.kind == .barrier)
        } catch {
            throw record.add(to: error)
        }
    }

    private func requireSupport(_ collective: Collective) throws(CommError) {
        let reductions: Set<Collective.Kind> = [.allReduce, .reduce, .reduceScatter]
        let missing: Set<Collective.Kind> = [.gather, .scatter, .allToAll]
        let isReduction = reductions.contains(collective.kind)
        let isStrange = collective.resultDtype != collective.dtype || collective.dtype == .int16
        guard missing.contains(collective.kind) || isReduction && isStrange else { return }
        let result =
            collective.resultDtype == collective.dtype ? "" : " into \(collective.resultDtype)"
        throw CommError(
            .unsupported, "nccl has no \(collective.kind) of \(collective.dtype)\(result)",
            at: .init(rank: rank), remedy: "use another operation or dtype")
    }

    public func subgroup(_ ranks: [Int], name: String) throws(CommError) -> any ProcessGroup {
        guard let position = ranks.firstIndex(of: rank) else {
            preconditionFailure("subgroup \(name): rank \(rank) is not among \(ranks)")
        }
        var inner = place
        inner.meeting.group += "/\(name)"
        inner.meeting.rank = position
        return try inner.join(store, globalRanks: ranks.map { engine.board.globalRanks[$0] })
    }

    public func leave(_ lastWords: String?) {
        record.leave(lastWords)
        engine.leave(lastWords)
    }
}

/// An operation on the engine's stream; holds its buffers until the current stream waits for it,
/// after which the caching allocator may give their memory to what that stream does later.
private final class NCCLOperation: PendingOperation {
    private let collective: Collective
    private let done: Event
    private let engine: NCCLEngine
    private let record: GroupRecord
    private let hostWaits: Bool

    init(
        _ collective: Collective, done: Event, engine: NCCLEngine, record: GroupRecord,
        hostWaits: Bool
    ) {
        self.collective = collective
        self.done = done
        self.engine = engine
        self.record = record
        self.hostWaits = hostWaits
    }

    var isFinished: Bool { done.isDone }

    func wait() throws(CommError) {
        settle()
        while hostWaits, engine.failure == nil, !done.isDone { usleep(100) }
        if let failure = engine.failure { throw record.add(to: failure) }
    }

    func settle() { Stream.current(of: engine.device).wait(for: done) }
}
