import ApusBase
import ApusLaunch
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The decisions as data: which events lead to which actions.
@Suite struct SupervisionTests {
    private let patience = Patience()

    private func make(_ ranks: Int) -> Supervision {
        Supervision(ranks: Array(0..<ranks), patience: patience)
    }

    private func ended(_ rank: Int, _ status: RankExit = .code(0)) -> Supervision.Event {
        .ended([.init(rank: rank, status: status)])
    }

    @Test func allRanksSucceed() {
        var run = make(3)
        #expect(run.handle(ended(1)) == [])
        #expect(run.handle(ended(0)) == [])
        #expect(run.alive == [2])
        #expect(run.handle(ended(2)) == [.finish(.succeeded)])
    }

    @Test func theFirstFailureEndsTheOthersAndIsTheOutcome() {
        var run = make(3)
        let culprit = Supervision.Ended(rank: 1, status: .code(3))
        #expect(
            run.handle(.ended([culprit])) == [
                .send(signal: SIGTERM, toRanks: [0, 2]),
                .startTimer(seconds: patience.afterFailureSeconds),
            ])
        #expect(run.handle(ended(0, .signal(SIGTERM))) == [])
        #expect(run.handle(ended(2, .code(7))) == [.finish(.failed(culprit))])
    }

    @Test func ranksThatDoNotEndAreKilled() {
        var run = make(2)
        _ = run.handle(ended(0, .code(1)))
        #expect(run.handle(.timeUp) == [.send(signal: SIGKILL, toRanks: [1])])
        let expected = Supervision.Outcome.failed(.init(rank: 0, status: .code(1)))
        #expect(run.handle(ended(1, .signal(SIGKILL))) == [.finish(expected)])
    }

    @Test func aLastRankThatFailsEndsAtOnce() {
        var run = make(1)
        let failed = Supervision.Outcome.failed(.init(rank: 0, status: .signal(SIGSEGV)))
        #expect(run.handle(ended(0, .signal(SIGSEGV))) == [.finish(failed)])
    }

    /// A killed rank is the cause; one that exits in the same moment has noticed that its peer is
    /// gone.
    @Test func ofSimultaneousFailuresTheKilledRankIsTheCulprit() {
        var run = make(3)
        let actions = run.handle(
            .ended([
                .init(rank: 0, status: .code(1)), .init(rank: 1, status: .code(0)),
                .init(rank: 2, status: .signal(SIGKILL)),
            ]))
        #expect(actions == [.finish(.failed(.init(rank: 2, status: .signal(SIGKILL))))])
    }

    /// A rank that only noticed the failure may be seen to end before the one that failed.
    @Test func aBystanderIsNotBlamed() {
        let bystander = RankExit.code(RankExitCode.peerFailed)
        let failed = Supervision.Outcome.failed(.init(rank: 0, status: .code(1)))
        var together = make(2)
        let ends = [Supervision.Ended(rank: 1, status: bystander), .init(rank: 0, status: .code(1))]
        #expect(together.handle(.ended(ends)) == [.finish(failed)])
        var apart = make(2)
        _ = apart.handle(ended(1, bystander))
        #expect(apart.handle(ended(0, .code(1))) == [.finish(failed)])
    }

    /// What the launcher itself does to the others is no cause.
    @Test(arguments: [RankExit.signal(SIGTERM), .code(0), .code(RankExitCode.peerFailed)])
    func aBystanderAloneIsReported(_ other: RankExit) {
        let bystander = Supervision.Ended(rank: 1, status: .code(RankExitCode.peerFailed))
        var run = make(2)
        _ = run.handle(.ended([bystander]))
        #expect(run.handle(ended(0, other)) == [.finish(.failed(bystander))])
        var killed = make(2)
        _ = killed.handle(.ended([bystander]))
        _ = killed.handle(.timeUp)
        #expect(killed.handle(ended(0, .signal(SIGKILL))) == [.finish(.failed(bystander))])
    }

    @Test func anInterruptIsPassedOnAndIsNoFailure() {
        var run = make(2)
        #expect(
            run.handle(.interrupted(signal: SIGINT)) == [
                .send(signal: SIGINT, toRanks: [0, 1]),
                .startTimer(seconds: patience.afterInterruptSeconds),
            ])
        #expect(run.handle(ended(0, .code(1))) == [])
        let outcome = Supervision.Outcome.interrupted(signal: SIGINT, wasForced: false)
        #expect(run.handle(ended(1)) == [.finish(outcome)])
    }

    @Test(arguments: [Supervision.Event.interrupted(signal: SIGINT), .timeUp])
    func aSecondInterruptOrTheTimerKills(_ event: Supervision.Event) {
        var run = make(2)
        _ = run.handle(.interrupted(signal: SIGTERM))
        #expect(run.handle(event) == [.send(signal: SIGKILL, toRanks: [0, 1])])
        _ = run.handle(ended(0, .signal(SIGKILL)))
        let outcome = Supervision.Outcome.interrupted(signal: SIGTERM, wasForced: true)
        #expect(run.handle(ended(1, .signal(SIGKILL))) == [.finish(outcome)])
    }

    @Test func nothingHappensAfterTheEnd() {
        var run = make(1)
        _ = run.handle(ended(0))
        #expect(run.handle(.interrupted(signal: SIGINT)) == [])
        #expect(run.handle(.timeUp) == [])
    }
}

@Suite struct RunReportTests {
    private func report(_ outcome: Supervision.Outcome) -> RunReport {
        RunReport(outcome: outcome, worldSize: 2)
    }

    @Test func exitCodesAreThoseOfShells() {
        #expect(report(.succeeded).exitCode == 0)
        #expect(report(.failed(.init(rank: 0, status: .code(3)))).exitCode == 3)
        #expect(report(.failed(.init(rank: 0, status: .signal(SIGKILL)))).exitCode == 137)
        #expect(report(.interrupted(signal: SIGINT, wasForced: false)).exitCode == 130)
    }

    @Test func successNeedsNoWords() { #expect(report(.succeeded).message == nil) }

    @Test func aKilledRankIsExplained() throws {
        var killed = report(.failed(.init(rank: 1, status: .signal(SIGKILL))))
        killed.progress = "after step 12 of 400"
        let message = try #require(killed.message)
        #expect(message.hasPrefix("rank 1 of 2 was killed by SIGKILL after step 12 of 400\n"))
        #expect(message.contains("likely cause: the system ran out of memory"))
        #expect(message.contains("remedy: use fewer ranks"))
        #expect(message.contains("it printed nothing"))
    }

    /// A log on a full disk is empty; the event stream is not.
    @Test func aReportedErrorIsShownWhereTheLogLacksIt() throws {
        var failed = report(.failed(.init(rank: 0, status: .code(1))))
        failed.reportedError = "out: no room\n  remedy: make some"
        let message = try #require(failed.message)
        #expect(message.contains("rank 0 reported:\n    | out: no room\n    |   remedy: make some"))
        var stopped = report(.interrupted(signal: SIGINT, wasForced: false))
        stopped.reportedError = "out: no room"
        let expected = "stopped by SIGINT\n  but rank 0 did not end well:\n    | out: no room"
        #expect(stopped.message == expected)
    }

    @Test func stoppingIsReportedWithItsSignal() {
        let message = report(.interrupted(signal: SIGTERM, wasForced: true)).message
        #expect(message == "stopped by SIGTERM; ranks that did not end by themselves were killed")
    }
}
