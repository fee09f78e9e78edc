#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Decides what happens to the ranks of a run. No I/O: events go in, actions come out.
///
/// One failed rank ends all, since the others would wait for it forever. Ranks that end because of
/// that, or because of Ctrl-C, are not failures of their own.
public struct Supervision: Sendable {
    public enum Event: Sendable, Hashable {
        /// Ranks that were found to have ended, at the same look.
        case ended([Ended])
        /// The launcher itself was told to stop.
        case interrupted(signal: Int32)
        /// The time that was asked for by `Action.startTimer` is over.
        case timeUp
    }

    public enum Action: Sendable, Hashable {
        case send(signal: Int32, toRanks: [Int])
        /// Replaces a timer that runs.
        case startTimer(seconds: Double)
        /// The last action: every rank has ended.
        case finish(Outcome)
    }

    public struct Ended: Sendable, Hashable {
        public let rank: Int
        public let status: RankExit

        public init(rank: Int, status: RankExit) {
            self.rank = rank
            self.status = status
        }
    }

    public enum Outcome: Sendable, Hashable {
        case succeeded
        /// The first rank that failed.
        case failed(Ended)
        /// A signal stopped the run, which has saved its state; nil where it came to a rank itself.
        case stopped(signal: Int32?)
        /// Stopped from outside; `wasForced` when ranks had to be killed.
        case interrupted(signal: Int32, wasForced: Bool)
    }

    public enum State: Sendable, Hashable {
        /// -> ending (a rank failed, or a signal), ended (all ranks succeeded)
        case running
        /// Somebody has been told to stop. -> ended (the last rank has ended)
        case ending(Outcome)
        case ended(Outcome)
    }

    public private(set) var state = State.running
    /// Ranks that have not ended.
    public private(set) var alive: [Int]
    private let patience: Patience
    private var hasKilled = false
    private var stoppedRanks = 0
    private let rankCount: Int

    public init(ranks: [Int], patience: Patience) {
        precondition(!ranks.isEmpty, "a launch needs at least one rank")
        alive = ranks
        rankCount = ranks.count
        self.patience = patience
    }

    public mutating func handle(_ event: Event) -> [Action] {
        switch (state, event) {
        case (.ended, _), (.running, .timeUp): []
        case (_, .ended(let ended)): handle(ended)
        case (.running, .interrupted(let signal)): interrupt(signal)
        case (.ending(let outcome), .interrupted), (.ending(let outcome), .timeUp): kill(outcome)
        }
    }

    private mutating func handle(_ ended: [Ended]) -> [Action] {
        stoppedRanks += ended.count { $0.status.isStopped }
        alive.removeAll { rank in ended.contains { $0.rank == rank } }
        var actions: [Action] = []
        if state == .running, let culprit = Self.culprit(among: ended) {
            state = .ending(.failed(culprit))
            if !alive.isEmpty {
                actions = [
                    .send(signal: SIGTERM, toRanks: alive),
                    .startTimer(seconds: patience.afterFailureSeconds),
                ]
            }
        }
        if case .ending(.failed(let blamed)) = state, blamed.status.isBystander,
            let cause = ended.first(where: isCause)
        {
            state = .ending(.failed(cause))
        }
        guard alive.isEmpty else { return actions }
        var outcome: Outcome = if case .ending(let outcome) = state { outcome } else { .succeeded }
        if stoppedRanks == rankCount {
            var cause: Int32?
            if case .interrupted(let signal, _) = outcome { cause = signal }
            outcome = .stopped(signal: cause)
        }
        state = .ended(outcome)
        return [.finish(outcome)]
    }

    /// Of ranks that failed at the same time, one killed by a signal is the cause and one that
    /// exited by itself more likely noticed that its peer was gone.
    private static func culprit(among ended: [Ended]) -> Ended? {
        let failed = ended.filter { !$0.status.isSuccess && !$0.status.isStopped }
        let killed = failed.first { if case .signal = $0.status { true } else { false } }
        return killed ?? failed.first { !$0.status.isBystander } ?? failed.first
    }

    /// Whether a rank that ended after a bystander failed by itself, not by the launcher's signal.
    private func isCause(_ ended: Ended) -> Bool {
        let isOurs = ended.status == .signal(SIGTERM) || hasKilled
        return !ended.status.isSuccess && !ended.status.isBystander && !isOurs
    }

    private mutating func interrupt(_ signal: Int32) -> [Action] {
        state = .ending(.interrupted(signal: signal, wasForced: false))
        return [
            .send(signal: signal, toRanks: alive),
            .startTimer(seconds: patience.afterInterruptSeconds),
        ]
    }

    private mutating func kill(_ outcome: Outcome) -> [Action] {
        hasKilled = true
        if case .interrupted(let signal, _) = outcome {
            state = .ending(.interrupted(signal: signal, wasForced: true))
        }
        return [.send(signal: SIGKILL, toRanks: alive)]
    }
}
