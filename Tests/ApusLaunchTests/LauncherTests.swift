import ApusBase
import ApusLaunch
import FileTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Real processes. One at a time: a launcher owns the process's signals.
@Suite(.serialized) struct LauncherTests {
    /// Runs a shell script on every rank.
    private func run(
        _ script: String, ranks: Int = 2, change: (inout LaunchPlan) -> Void = { _ in }
    ) throws -> (report: RunReport, heard: Recorder) {
        var plan = LaunchPlan(program: "/bin/sh", localRanks: ranks, masterPort: 1234, cores: 2)
        plan.arguments = ["-c", script]
        plan.patience.afterFailureSeconds = 5
        change(&plan)
        let recorder = Recorder()
        let report = try Launcher(plan: plan, observer: recorder).run(
            inherited: ["PATH": "/usr/bin:/bin"])
        return (report, recorder)
    }

    @Test func ranksRunAndAreHeard() throws {
        let (report, heard) = try run("echo rank $RANK of $WORLD_SIZE; echo oh >&2; printf end")
        #expect(report.outcome == .succeeded)
        #expect(
            heard.lines.sorted() == [
                "0 err oh", "0 out end", "0 out rank 0 of 2", "1 err oh", "1 out end",
                "1 out rank 1 of 2",
            ])
    }

    @Test func aFailingRankEndsTheOthersWithinSeconds() throws {
        let begin = ContinuousClock.now
        let script = "if [ $RANK = 1 ]; then echo bad luck >&2; exit 3; fi; sleep 100"
        let report = try run(script).report
        #expect(report.outcome == .failed(.init(rank: 1, status: .code(3))))
        #expect(report.lastWords == ["bad luck"])
        #expect(report.exitCode == 3)
        #expect(ContinuousClock.now - begin < .seconds(4))
    }

    @Test func aKilledRankIsNamedWithItsSignal() throws {
        let script = "if [ $RANK = 0 ]; then kill -9 $$; fi; sleep 100"
        let report = try run(script).report
        #expect(report.outcome == .failed(.init(rank: 0, status: .signal(SIGKILL))))
        #expect(report.message?.contains("likely cause: the system ran out of memory") == true)
    }

    /// A rank that ignores SIGTERM is killed when patience ends.
    @Test func stubbornRanksAreKilled() throws {
        let begin = ContinuousClock.now
        let script = """
            trap '' TERM
            echo $$
            if [ $RANK = 0 ]; then sleep 0.3; exit 1; fi
            while true; do sleep 0.1; done
            """
        let (report, heard) = try run(script) { $0.patience.afterFailureSeconds = 0.3 }
        #expect(report.exitCode == 1)
        #expect(ContinuousClock.now - begin < .seconds(4))
        #expect(heard.processNumbers.count == 2)
        for pid in heard.processNumbers { #expect(isGone(pid)) }
    }

    /// What a rank started in the background ends with it, also when the rank itself succeeded.
    @Test func noGrandchildIsLeft() throws {
        let (report, heard) = try run("sleep 100 & echo $!")
        #expect(report.outcome == .succeeded)
        #expect(heard.processNumbers.count == 2)
        for pid in heard.processNumbers { #expect(isGone(pid)) }
    }

    @Test func anInterruptLetsRanksEndCleanly() throws {
        let script = "trap 'echo saved; exit 0' INT; echo ready; while true; do sleep 0.05; done"
        let recorder = Recorder(interruptAfter: ["ready", "ready"])
        let report = try run(script, observer: recorder)
        #expect(report.outcome == .interrupted(signal: SIGINT, wasForced: false))
        #expect(report.exitCode == 130)
        #expect(recorder.lines.filter { $0.hasSuffix("saved") }.count == 2)
    }

    @Test func aSecondInterruptKills() throws {
        let script = """
            trap 'echo no' INT
            echo ready
            while true; do sleep 0.05; done
            """
        let recorder = Recorder(interruptAfter: ["ready", "ready", "no"])
        let report = try run(script, observer: recorder)
        #expect(report.outcome == .interrupted(signal: SIGINT, wasForced: true))
    }

    private func run(_ script: String, observer: Recorder) throws -> RunReport {
        var plan = LaunchPlan(program: "/bin/sh", localRanks: 2, masterPort: 1234, cores: 2)
        plan.arguments = ["-c", script]
        return try Launcher(plan: plan, observer: observer).run(inherited: ["PATH": "/bin"])
    }

    @Test func rankZeroAloneReportsEvents() throws {
        let script = """
            if [ -n "$APUS_EVENTS_FD" ]; then echo "event of $RANK" >&$APUS_EVENTS_FD; fi
            """
        let (_, heard) = try run(script) { $0.wantsEvents = true }
        #expect(heard.events == ["event of 0"])
    }

    @Test func logsHoldWhatRanksPrintAndTheReportQuotesTheirEnd() throws {
        let folder = try TemporaryFolder()
        let script = "for i in $(seq 30); do echo line $i; done; [ $RANK = 0 ] || exit 4; sleep 9"
        let report = try run(script) { $0.output = .files(folder: folder.path) }.report
        #expect(report.logPath == folder / "rank-1.log")
        #expect(report.lastWords == (19...30).map { "line \($0)" })

        _ = try run("echo again") { $0.output = .files(folder: folder.path) }
        #expect(try folder.text("rank-1.log") == "again\n")
        #expect(try folder.text("rank-1.log.previous").hasSuffix("line 30\n"))
    }

    @Test(arguments: [
        ("/no/such/program", "cannot be started: No such file"),
        ("/etc/passwd", "cannot be started: Permission denied"),
    ])
    func programsThatCannotBeStarted(_ program: String, _ expected: String) {
        do {
            _ = try run("") { $0.program = program }
            Issue.record("\(program) should not start")
        } catch {
            #expect("\(error)".contains(expected))
        }
    }

    @Test func aRankReadsNothingFromTheTerminal() throws {
        #expect(try run("cat; echo done").heard.lines.sorted() == ["0 out done", "1 out done"])
    }

    /// Whether a process has ended. An orphan may stay in the table until init looks after it; it
    /// has no command line any more.
    private func isGone(_ pid: Int32) -> Bool {
        for _ in 0..<50 {
            guard let file = fopen("/proc/\(pid)/cmdline", "re") else { return true }
            let isEmpty = fgetc(file) == EOF
            fclose(file)
            if isEmpty { return true }
            usleep(20_000)
        }
        return false
    }
}

/// Remembers what ranks said; interrupts this process when all the expected words have been heard,
/// again for each word after the first two.
private final class Recorder: LaunchObserver {
    private(set) var lines: [String] = []
    private(set) var events: [String] = []
    private var awaited: [String]

    init(interruptAfter awaited: [String] = []) { self.awaited = awaited }

    func printed(_ line: String, byRank rank: Int, to stream: OutputStream) {
        lines.append("\(rank) \(stream == .standardOutput ? "out" : "err") \(line)")
        guard let index = awaited.firstIndex(of: line) else { return }
        awaited.remove(at: index)
        if !awaited.contains("ready") { kill(getpid(), SIGINT) }
    }

    func reported(_ line: String) { events.append(line) }

    var processNumbers: [Int32] {
        lines.compactMap { $0.split(separator: " ").last.flatMap { Int32($0) } }
    }
}
