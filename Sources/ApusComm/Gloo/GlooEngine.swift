internal import ApusBase
internal import CApusTorch
internal import Synchronization

/// Executes a group's operations on Gloo, one after the other, and explains what goes wrong.
///
/// Gloo itself neither notices that ranks call different operations (it hangs, or ends the process)
/// nor says which rank broke a connection. So before each operation the ranks compare what they
/// call, and after a failure they read in the store where everybody is.
///
/// `@unchecked Sendable`: the worker executes one operation at a time, and `run` drains it first,
/// so everything but the failure is used by one thread after the other.
final class GlooEngine: CollectiveExecutor, @unchecked Sendable {
    let rank: Int
    let globalRanks: [Int]
    let timeoutSeconds: Double
    private let pointer: OpaquePointer
    /// nil: a larger group compares calls and explains failures.
    private let board: RankBoard?
    private let firstFailure = Mutex<CommError?>(nil)
    private var isReleased = false

    var worldSize: Int { globalRanks.count }

    init(_ pointer: OpaquePointer, board: RankBoard?, place: GlooPlace, globalRanks: [Int]) {
        self.pointer = pointer
        self.board = board
        self.rank = place.rank
        self.globalRanks = globalRanks
        self.timeoutSeconds = place.timeoutSeconds
    }

    var failure: CommError? { firstFailure.withLock { $0 } }

    func execute(_ collective: Collective, _ tag: OperationTag) throws(CommError) {
        if let failure { throw failure }
        let call = CallText(collective, tag)
        board?.enter(call)
        do {
            if board != nil { try compare(call) }
            try run(collective)
        } catch {
            let explained = error.operation == nil ? board?.explain(error, in: tag) : nil
            firstFailure.withLock { $0 = explained ?? error }
            throw explained ?? error
        }
        board?.stepOut(call)
    }

    func leave(_ lastWords: String?, hostsStore: Bool) {
        guard !isReleased else { return }
        isReleased = true
        let line = lastWords.map { String($0.prefix { $0 != "\n" }) }
        apus_gloo_release(pointer)
        board?.leave(line, afterFailure: failure != nil, hostsStore: hostsStore)
    }

    // MARK: - On Gloo

    private func run(_ collective: Collective) throws(CommError) {
        if collective.dtype == .int16, Self.reductions.contains(collective.kind) {
            throw CommError(.unsupported, "gloo cannot reduce int16", remedy: "use int32")
        }
        var call = apus_gloo_call(
            kind: apus_gloo_kind(UInt32(collective.kind.rawValue)),
            reduction: apus_gloo_reduction(UInt32(collective.op.rawValue)),
            dtype: Self.code(collective.dtype), result: Self.code(collective.resultDtype),
            peer: Int32(collective.peer),
            count: Int64(collective.elementsPerRank(worldSize: worldSize)),
            input: collective.input.address, output: collective.output.address)
        try check(apus_gloo_run(pointer, &call))
    }

    private static let reductions: Set<Collective.Kind> = [.allReduce, .reduce, .reduceScatter]

    private func check(_ status: apus_status) throws(CommError) {
        guard status != APUS_OK else { return }
        let code: CommError.Code = status == APUS_COMM_TIMEOUT ? .timedOut : .peerLeft
        throw CommError(code, String(cString: apus_last_message()))
    }

    /// Moves the bytes that describe a call.
    private func exchange(
        _ kind: apus_gloo_kind, peer: Int, _ input: [UInt8], outputCount: Int
    ) throws(CommError) -> [UInt8] {
        var input = input
        var output = [UInt8](repeating: 0, count: outputCount)
        let status = input.withUnsafeMutableBytes { input in
            output.withUnsafeMutableBytes { output in
                var call = apus_gloo_call(
                    kind: kind, reduction: APUS_GLOO_SUM, dtype: Self.code(.uint8),
                    result: Self.code(.uint8), peer: Int32(peer),
                    count: Int64(CallText.byteCount), input: input.baseAddress,
                    output: output.baseAddress)
                return apus_gloo_run(pointer, &call)
            }
        }
        try check(status)
        return output
    }

    private static func code(_ dtype: DType) -> Int32 {
        Int32(DType.allCases.firstIndex(of: dtype)!)
    }

    // MARK: - Do all mean the same?

    private func compare(_ call: CallText) throws(CommError) {
        switch call.tag.kind {
        case .send:
            _ = try exchange(APUS_GLOO_SEND, peer: call.peer, call.bytes, outputCount: 0)
        case .receive:
            let said = try exchange(
                APUS_GLOO_RECEIVE, peer: call.peer, [], outputCount: CallText.byteCount)
            let other = CallText(bytes: said)
            if let other, other.isSameMessage(as: call) { return }
            throw mismatch(call.tag, [(call.peer, other), (rank, call)])
        default:
            let all = try exchange(
                APUS_GLOO_ALL_GATHER, peer: 0, call.bytes,
                outputCount: CallText.byteCount * worldSize)
            let own = call.bytes[...]
            let calls = (0..<worldSize).map { peer in
                let start = peer * CallText.byteCount
                return all[start..<(start + CallText.byteCount)]
            }
            if calls.allSatisfy({ $0.elementsEqual(own) }) { return }
            throw mismatch(call.tag, calls.enumerated().map { ($0, CallText(bytes: $1)) })
        }
    }

    private func mismatch(
        _ tag: OperationTag, _ calls: [(rank: Int, call: CallText?)]
    ) -> CommError {
        let places = calls.map { item in
            RankPlace(
                rank: globalRanks[item.rank], presence: .inside, tag: item.call?.tag, seconds: 0)
        }
        let other = calls.first { $0.call?.tag != tag }?.rank
        return Explanation(
            code: .mismatched, rank: globalRanks[rank], operation: tag,
            culprit: other.map { globalRanks[$0] }, places: places, timeoutSeconds: timeoutSeconds
        ).error
    }
}
