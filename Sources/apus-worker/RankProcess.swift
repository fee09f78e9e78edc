import ApusBase
import ApusComm
import ApusTensor
import ApusTrain
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One rank of a job: joins the others, runs, and leaves with its last words.
enum RankProcess {
    private static let stopRequested = Atomic(false)
    private static let ownExitCode = Atomic<Int32>(0)

    /// What the process exits with when `body` has returned.
    static func setExitCode(_ code: Int32) { ownExitCode.store(code, ordering: .relaxed) }

    /// Whether SIGINT (Ctrl-C), SIGTERM or SIGUSR1 has arrived.
    static var wantsStop: Bool { stopRequested.load(ordering: .relaxed) }

    /// Joins the ranks that the environment describes and runs `body`. An error is reported on the
    /// event stream, to the peers and on standard error, and ends the process with code 1, or with
    /// `RankExitCode.peerFailed` when another rank is to blame.
    ///
    /// - log: what the rank does is told there too
    static func run(
        log: RankLog? = nil, _ body: (any ProcessGroup, EventStream) throws -> Void
    ) -> Never {
        let descriptor = environment("APUS_EVENTS_FD").flatMap { Int32($0) }
        let events = EventStream(descriptor: descriptor, log: log)
        if let threads = environment("OMP_NUM_THREADS").flatMap({ Int($0) }), threads > 0 {
            Runtime.threadCount = threads
        }
        HostPool.install()
        log?.write(introduction)
        var group: (any ProcessGroup)?
        do {
            let joined = try WorldEnvironment.current().makeProcessGroup()
            group = joined
            stopOnSignals()
            try body(joined, events)
            joined.leave(nil)
            let code = ownExitCode.load(ordering: .relaxed)
            exit(code == 0 && wantsStop ? 130 : code)
        } catch {
            let rank = environment("RANK").flatMap { Int($0) } ?? 0
            let message = describe(error)
            events.send(.error(rank: rank, message: message))
            group?.leave(message)
            writeError("rank \(rank): \(message)\n")
            let isBystander = (error as? CommError)?.code == .peerLeft
            exit(isBystander ? RankExitCode.peerFailed : 1)
        }
    }

    /// Not before the ranks have met: one that still waits for the others ends at once.
    private static func stopOnSignals() {
        for signalNumber in [SIGINT, SIGTERM, SIGUSR1] {
            signal(signalNumber) { _ in
                RankProcess.stopRequested.store(true, ordering: .relaxed)
            }
        }
    }

    /// The first line of a log.
    private static var introduction: String {
        let rank = environment("RANK") ?? "0"
        let size = environment("WORLD_SIZE") ?? "1"
        let threads = Runtime.threadCount == 1 ? "1 thread" : "\(Runtime.threadCount) threads"
        return "rank \(rank) of \(size): process \(getpid()), \(threads), "
            + "libtorch \(Runtime.torchVersion)"
    }

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// On standard error, unbuffered.
func writeError(_ text: String) {
    var text = text
    _ = text.withUTF8 { write(2, $0.baseAddress, $0.count) }
}

/// An error in words: operational errors have some of their own.
func describe(_ error: any Error) -> String {
    (error as? any OperationalError)?.description ?? String(describing: error)
}
