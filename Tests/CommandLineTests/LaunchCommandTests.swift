import ProgramTestSupport
import Testing

/// `apus launch` with programs that end well, badly, or not at all.
@Suite struct LaunchCommandTests {
    @Test func ranksPrintWithTheirNumber() throws {
        let result = try Program.shell(
            "apus launch --ranks 2 sh -c 'echo hello from $RANK of $WORLD_SIZE' | sort")
        #expect(result.output == "[0] hello from 0 of 2\n[1] hello from 1 of 2\n")
    }

    @Test func argumentsReachTheProgramUntouched() throws {
        let result = try Program.shell("apus launch echo --ranks 7 -x 'a b' --help")
        #expect(result.output == "--ranks 7 -x a b --help\n")
    }

    @Test func aFailedRankIsReportedAndItsCodeReturned() throws {
        let script = "if [ $RANK = 1 ]; then echo no luck >&2; exit 9; fi; sleep 60"
        let result = try Program.shell("apus launch --ranks 2 sh -c '\(script)'")
        #expect(result.exitCode == 9)
        #expect(result.output.contains("apus: rank 1 of 2 exited with code 9"))
        #expect(result.output.contains("    | no luck"))
        #expect(result.output.contains("the other ranks were ended"))
    }

    /// Ctrl-C and SIGTERM, as a shell or a job system sends them, reach the ranks.
    @Test(arguments: ["INT", "TERM"])
    func signalsArePassedOn(_ signal: String) throws {
        let rank = """
            trap "echo ended cleanly; exit 0" \(signal); echo ready
            while true; do sleep 0.05; done
            """
        let scratch = try Scratch()
        scratch.write("rank", "#!/bin/sh\n\(rank)\n")
        // Background jobs of a shell ignore SIGINT unless it controls jobs.
        let result = try Program.shell(
            """
            cd '\(scratch.path)'; set -m; "$APUS" launch --ranks 2 ./rank > out 2>&1 & job=$!
            for i in $(seq 100); do [ "$(grep -c ready out)" = 2 ] && break; sleep 0.05; done
            kill -\(signal) $job; wait $job; echo code $?; cat out
            """)
        let code = signal == "INT" ? 130 : 143
        #expect(result.output.contains("code \(code)\n"))
        #expect(result.output.components(of: "ended cleanly") == 2)
        #expect(result.output.contains("apus: stopped by SIG\(signal)"))
    }

    /// Even kill -9 of the launcher leaves no rank behind.
    @Test func ranksDieWithTheLauncher() throws {
        let scratch = try Scratch()
        scratch.write("rank", "#!/bin/sh\necho $$ > pid-$RANK\nexec sleep 60\n")
        let result = try Program.shell(
            """
            cd '\(scratch.path)'; "$APUS" launch --ranks 2 ./rank & job=$!
            for i in $(seq 100); do [ -s pid-0 ] && [ -s pid-1 ] && break; sleep 0.05; done
            kill -9 $job; wait $job
            for i in $(seq 100); do
                alive=0; for pid in $(cat pid-0 pid-1); do
                    grep -q . /proc/$pid/cmdline 2>/dev/null && alive=$((alive + 1))
                done
                [ $alive = 0 ] && break; sleep 0.05
            done
            echo alive $alive
            """)
        #expect(result.output.contains("alive 0\n"))
    }

    @Test func aPortInUseIsExplained() throws {
        let listener =
            "import socket,sys,time"
            + "; s=socket.socket(); s.bind((\"\",0)); s.listen()"
            + "; print(s.getsockname()[1], flush=True); time.sleep(60)"
        let scratch = try Scratch()
        let result = try Program.shell(
            """
            cd '\(scratch.path)'; command -v python3 >/dev/null || exit 77
            python3 -c '\(listener)' > port & job=$!
            for i in $(seq 100); do [ -s port ] && break; sleep 0.05; done
            "$APUS" launch --master-port $(cat port) true; echo code $?; kill $job
            """)
        guard result.exitCode != 77 else { return }
        #expect(result.output.contains("is in use"))
        #expect(result.output.contains("code 1\n"))
    }

    @Test func logsGoIntoAFolder() throws {
        let scratch = try Scratch()
        let result = try Program.shell(
            """
            cd '\(scratch.path)'; apus launch --ranks 2 --log-dir deep/logs sh -c 'echo I am $RANK'
            cat deep/logs/rank-0.log deep/logs/rank-1.log
            """)
        #expect(result.output == "I am 0\nI am 1\n")
    }
}

extension String {
    /// How often a passage occurs.
    func components(of passage: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: passage) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
