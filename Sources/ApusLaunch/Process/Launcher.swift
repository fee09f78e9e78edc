internal import CApusHost

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Starts the ranks of a plan, watches over them, and returns when all have ended.
///
/// Leaves no process behind: each rank leads a process group that is killed when the rank has
/// ended, and dies with the launcher if that is killed.
public final class Launcher {
    /// How often the observer's clock ticks.
    static let tickMilliseconds: Int32 = 250

    private let plan: LaunchPlan
    private let observer: any LaunchObserver
    private var processes: [RankProcess] = []
    private var supervision: Supervision
    private var deadline: ContinuousClock.Instant?
    private var outcome: Supervision.Outcome?
    private var words: [Int: LastWords] = [:]

    public init(plan: LaunchPlan, observer: any LaunchObserver) {
        self.plan = plan
        self.observer = observer
        let ranks = (0..<plan.localRanks).map(plan.rank)
        supervision = Supervision(ranks: ranks, patience: plan.patience)
    }

    /// Runs to the end. At most one launcher runs in a process at a time.
    ///
    /// - Throws: `LaunchError` when a rank cannot be started; those started before it are ended.
    public func run(inherited: [String: String]) throws(LaunchError) -> RunReport {
        let signals = try watchSignals()
        defer { apus_signals_close() }
        let memory = OutOfMemoryCount()
        try startAll(inherited)
        while outcome == nil { turn(signals) }
        drainOutput()
        return report(memory)
    }

    private func watchSignals() throws(LaunchError) -> Int32 {
        let descriptor = apus_signals_open(
            [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGCHLD, SIGWINCH], 7)
        guard descriptor >= 0 else {
            throw LaunchError("signals cannot be watched: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    private func startAll(_ inherited: [String: String]) throws(LaunchError) {
        let spawner = Spawner(plan: plan, inherited: inherited)
        do {
            for localRank in 0..<plan.localRanks {
                processes.append(try spawner.start(localRank: localRank))
            }
        } catch {
            for process in processes { process.bury() }
            drainOutput()
            throw error
        }
    }

    /// Waits for something to happen, and deals with it.
    private func turn(_ signals: Int32) {
        wait(signals)
        readOutput()
        for signal in pendingSignals(signals) {
            switch signal {
            case SIGCHLD: break
            case SIGWINCH: observer.resized()
            default: perform(supervision.handle(.interrupted(signal: signal)))
            }
        }
        lookForEnded()
        if let deadline, ContinuousClock.now >= deadline {
            self.deadline = nil
            perform(supervision.handle(.timeUp))
        }
        observer.tick()
    }

    private func wait(_ signals: Int32) {
        var descriptors = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
        for reader in processes.flatMap(\.readers) where reader.isOpen {
            descriptors.append(pollfd(fd: reader.descriptor, events: Int16(POLLIN), revents: 0))
        }
        poll(&descriptors, nfds_t(descriptors.count), Self.tickMilliseconds)
    }

    private func pendingSignals(_ descriptor: Int32) -> [Int32] {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? bytes[..<count].map { Int32($0) } : []
    }

    private func lookForEnded() {
        let ended = processes.compactMap { process in
            supervision.alive.contains(process.rank)
                ? process.look().map { Supervision.Ended(rank: process.rank, status: $0) } : nil
        }
        guard !ended.isEmpty else { return }
        for process in processes where ended.contains(where: { $0.rank == process.rank }) {
            process.bury()
        }
        readOutput()
        perform(supervision.handle(.ended(ended)))
    }

    private func perform(_ actions: [Supervision.Action]) {
        for action in actions {
            switch action {
            case .send(let signal, let ranks):
                for process in processes where ranks.contains(process.rank) { process.send(signal) }
            case .startTimer(let seconds):
                deadline = .now + .seconds(seconds)
            case .finish(let outcome):
                self.outcome = outcome
            }
        }
        if !actions.isEmpty, case .ending(let outcome) = supervision.state {
            observer.isEnding(outcome)
        }
    }

    private func readOutput() {
        for index in processes.indices {
            for reader in processes[index].readers.indices {
                let lines = processes[index].readers[reader].read()
                pass(lines, processes[index].readers[reader].content, processes[index].rank)
            }
        }
    }

    private func drainOutput() {
        readOutput()
        for index in processes.indices {
            for reader in processes[index].readers.indices {
                let lines = processes[index].readers[reader].close()
                pass(lines, processes[index].readers[reader].content, processes[index].rank)
            }
        }
    }

    private func pass(_ lines: [String], _ content: PipeReader.Content, _ rank: Int) {
        for line in lines {
            switch content {
            case .events: observer.reported(line)
            case .output(let stream):
                words[rank, default: LastWords()].add(line)
                observer.printed(line, byRank: rank, to: stream)
            }
        }
    }

    private func report(_ memory: OutOfMemoryCount) -> RunReport {
        guard let outcome else { preconditionFailure("the run has no outcome yet") }
        var report = RunReport(outcome: outcome, worldSize: plan.worldSize)
        if case .failed(let culprit) = outcome {
            let process = processes.first { $0.rank == culprit.rank }
            report.logPath = process?.logPath
            report.lastWords =
                process?.logPath.map(LastWords.ofLog) ?? words[culprit.rank]?.lines ?? []
            report.ranOutOfMemory = culprit.status == .signal(SIGKILL) && memory.hasGrown
        }
        return report
    }
}
