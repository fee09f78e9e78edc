public import ApusBase
internal import CApusHost

/// Ranks of one host, which talk through shared memory.
///
/// Between processes this is the default on one host; with ranks that are threads it is the
/// loopback world. Sums run over rank 0, 1, 2 ..., in fp32 for bf16 and fp16, whatever the sizes
/// and the timing.
public final class SharedMemoryProcessGroup: ProcessGroup {
    public let rank: Int
    public let worldSize: Int
    public let ledger = CommLedger()

    /// The name under which further groups of these ranks meet.
    enum Meeting {
        case processes(MeetingPlace)
        case threads(LoopbackRegistry)

        var name: String {
            if case .processes(let place) = self { place.name } else { "loopback" }
        }
        var recorder: FlightRecorder {
            if case .processes(let place) = self { place.recorder } else { FlightRecorder() }
        }
    }

    static let largestWorld = Int(APUS_SHM_MAX_WORLD)

    let handle: SharedMemoryHandle
    private let meeting: Meeting
    /// What the ranks are called in messages: their numbers in the outermost group.
    private let globalRanks: [Int]
    private let timeoutSeconds: Double
    private var sequences = SequenceCounter()
    private let record: GroupRecord

    init(
        _ handle: SharedMemoryHandle, rank: Int, globalRanks: [Int], timeoutSeconds: Double,
        meeting: Meeting
    ) {
        self.handle = handle
        self.rank = rank
        self.worldSize = globalRanks.count
        self.globalRanks = globalRanks
        self.timeoutSeconds = timeoutSeconds
        self.meeting = meeting
        record = GroupRecord(
            meeting.recorder, ledger, group: "\(meeting.name), shared memory among \(globalRanks)",
            rank: globalRanks[rank])
    }

    public var backend: String {
        if case .threads = meeting { "loopback" } else { "shared memory" }
    }

    public func start(_ collective: Collective) throws(CommError) -> Work {
        let (number, tag) = issue(collective)
        let work = collective.withCall(worldSize: worldSize) { apus_shm_start(handle.pointer, $0) }
        return Work(
            SharedMemoryOperation(work, of: self, collective: collective, number: number, tag: tag))
    }

    public func run(_ collective: Collective) throws(CommError) {
        let (number, tag) = issue(collective)
        let began = monotonicSeconds()
        let status = collective.withCall(worldSize: worldSize) { apus_shm_run(handle.pointer, $0) }
        let failed = status != APUS_SHM_OK
        ledger.end(number, began: began, ended: monotonicSeconds(), failed: failed)
        if failed { throw explain(status, in: tag) }
    }

    public func subgroup(_ ranks: [Int], name: String) throws(CommError) -> any ProcessGroup {
        guard let position = ranks.firstIndex(of: rank) else {
            preconditionFailure("subgroup \(name): rank \(rank) is not among \(ranks)")
        }
        if ranks.count == 1 { return SingleRankProcessGroup() }
        let names = ranks.map { globalRanks[$0] }
        switch meeting {
        case .processes(var place):
            place.name += "-\(name)"
            return try place.join(rank: position, globalRanks: names)
        case .threads(let registry):
            return try registry.join(name, rank: position, globalRanks: names)
        }
    }

    public func allocateShared(elementCount: Int, dtype: DType) -> CommBuffer? {
        let byteCount = elementCount * dtype.byteCount
        guard let block = ArenaBlock(handle, byteCount: byteCount) else { return nil }
        return CommBuffer(block.address, elementCount: elementCount, dtype: dtype, owner: block)
    }

    public func leave(_ lastWords: String?) {
        record.leave(lastWords)
        let firstLine = lastWords?.prefix { $0 != "\n" }
        apus_shm_leave(handle.pointer, firstLine.map(String.init))
    }

    private func issue(_ collective: Collective) -> (number: Int, tag: OperationTag) {
        collective.requireHostMemory(backend)
        let tag = collective.tag(sequence: sequences.next(collective), worldSize: worldSize)
        return (ledger.issue(tag), tag)
    }
}

// MARK: - Why a group ended

extension SharedMemoryProcessGroup {
    func explain(_ status: apus_shm_status, in tag: OperationTag) -> CommError {
        let why = apus_shm_why(handle.pointer)
        // The rank that noticed first may have named this one: then the other is the partner in the
        // story.
        let named = Int(why.culprit) == rank ? Int(why.reporter) : Int(why.culprit)
        let error = Explanation(
            code: .init(status), rank: globalRanks[rank], operation: tag,
            culprit: globalRanks.indices.contains(named) ? globalRanks[named] : nil,
            places: globalRanks.indices.map(place), timeoutSeconds: timeoutSeconds
        ).error
        return record.add(to: error)
    }

    private func place(_ rank: Int) -> RankPlace {
        var place = apus_shm_place()
        apus_shm_where(handle.pointer, Int32(rank), &place)
        let presence: RankPlace.Presence =
            switch place.presence {
            case APUS_SHM_INSIDE: .inside
            case APUS_SHM_LEFT: .left(text(&place.last_words))
            case APUS_SHM_DEAD: .dead
            default: .outside
            }
        return RankPlace(
            rank: globalRanks[rank], presence: presence, tag: tag(&place), seconds: place.seconds)
    }

    private func tag(_ place: inout apus_shm_place) -> OperationTag? {
        guard place.sequence > 0, place.dtype.rawValue < DType.allCases.count else { return nil }
        return OperationTag(
            kind: Collective.kind(code: place.kind), sequence: Int(place.sequence),
            label: text(&place.label), byteCount: Int(place.bytes),
            dtype: DType.allCases[Int(place.dtype.rawValue)])
    }

    /// A zero-terminated array of C characters; nil when empty.
    private func text<Characters>(_ characters: inout Characters) -> String? {
        let text = withUnsafeBytes(of: &characters) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return text.isEmpty ? nil : text
    }
}

/// An operation on the group's own thread.
final class SharedMemoryOperation: PendingOperation {
    private let group: SharedMemoryProcessGroup
    /// Keeps the buffers alive.
    private let collective: Collective
    private let number: Int
    private let tag: OperationTag
    private var work: OpaquePointer?

    init(
        _ work: OpaquePointer, of group: SharedMemoryProcessGroup, collective: Collective,
        number: Int, tag: OperationTag
    ) {
        self.work = work
        self.group = group
        self.collective = collective
        self.number = number
        self.tag = tag
    }

    var isFinished: Bool { work.map { apus_shm_work_is_finished($0) } ?? true }

    func wait() throws(CommError) {
        let status = finish()
        if status != APUS_SHM_OK { throw group.explain(status, in: tag) }
    }

    func settle() { _ = finish() }

    private func finish() -> apus_shm_status {
        guard let work else { return APUS_SHM_OK }
        self.work = nil
        var began: UInt64 = 0
        var ended: UInt64 = 0
        let status = apus_shm_work_wait(work, &began, &ended)
        group.ledger.end(
            number, began: Double(began) * 1e-9, ended: Double(ended) * 1e-9,
            failed: status != APUS_SHM_OK)
        return status
    }
}
