import ApusBase
import ProgramTestSupport
import Testing

/// Runs that something happens to: they end soon, say what it was, and leave no process behind.
@Suite struct BrokenRunTests {
    @Test(arguments: [0, 1])
    func aKilledRankEndsTheRun(_ rank: Int) throws {
        let run = try TinyRun()
        let result = try run.interrupt(by: "kill -KILL $rank\(rank)")
        #expect(result.exitCode == 137)
        #expect(result.output.contains("apus: rank \(rank) of 2 was killed by SIGKILL after step "))
        #expect(result.output.contains("of 1000000\n"))
        #expect(result.output.contains("likely cause: the system ran out of memory"))
        #expect(result.output.contains("its last words (\(run.path)/out/logs/rank-\(rank).log)"))
        #expect(result.output.contains("the other ranks were ended"))
    }

    @Test(arguments: ["INT", "TERM"])
    func stoppingSavesTheModel(_ signal: String) throws {
        let run = try TinyRun()
        let result = try run.interrupt("--set val_set_size=0.1", by: "kill -\(signal) $launcher")
        #expect(result.exitCode == 85)
        #expect(result.output.contains("saved \(run.path)/out\n"), "\(result.output)")
        #expect(result.output.contains("apus: stopped by SIG\(signal) after step "))
        let events = try run.text("out/events.jsonl")
        #expect(events.contains("\"interrupted\": true"))
        // What it saved is complete.
        let steps = try run.metrics().count
        let elsewhere = "--set output_dir=\(run.path)/further"
        let further = try run.train(
            "--set max_steps=1 --set base_model=\(run.path)/out \(elsewhere)")
        #expect(further.exitCode == 0, "after \(steps) steps: \(further.output)")
    }

    @Test func noRankOutlivesItsLauncher() throws {
        let run = try TinyRun()
        let result = try run.interrupt(
            by: """
                kill -KILL $launcher
                for i in $(seq 100); do [ "$(left)" ] || break; sleep 0.05; done
                """)
        #expect(result.exitCode == 137)
    }
}

/// File systems of a name space of its own: nothing stays mounted.
private enum PrivateMount {
    static let isPossible: Bool = {
        let result = try? Program.shell("unshare -rm mount -t tmpfs none /mnt")
        return result?.exitCode == 0
    }()
}

/// Training onto a small file system.
@Suite(.enabled(if: PrivateMount.isPossible, "a tmpfs cannot be mounted here"))
struct FullDiskTests {
    private func train(_ run: borrowing TinyRun, diskOf size: String) throws -> Program.Result {
        run.scratch.write(
            "inside",
            """
            mount -t tmpfs -o size=\(size) none out && "$APUS" train r.yaml --ranks 2
            code=$?; df -k out; exit $code
            """)
        return try run.shell("mkdir out; unshare -rm sh ./inside")
    }

    /// Found out before any work is lost.
    @Test func aModelThatWillNotFitIsRefusedAtTheStart() throws {
        let run = try TinyRun()
        let result = try train(run, diskOf: "64k")
        #expect(result.exitCode == 1)
        let expected = "out: the trained model needs 78 kB on the disk, "
        #expect(result.output.contains(expected), "\(result.output)")
        #expect(result.output.contains("apus: rank 0 of 2 exited with code 1"))
        #expect(result.output.contains("remedy: free some disk space"))
        #expect(!result.output.contains("step 1/5"))
    }

    /// Not even the log can say it: the event stream does.
    @Test func aFullDiskHidesNoMessage() throws {
        // Room for the recipe, and nothing else.
        let whole = try TinyRun()
        #expect(try whole.train("--ranks 2").exitCode == 0)
        let pages = try whole.text("out/resolved.json").utf8.count / 4096 + 1
        let run = try TinyRun()
        let result = try train(run, diskOf: "\(4 * pages)k")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("rank 0 reported:"), "\(result.output)")
        #expect(result.output.contains("    | \(run.path)/out: the trained model needs 78 kB"))
    }

    /// The checkpoints before it are whole, and with more room the same command goes on.
    @Test func aCheckpointThatWillNotFitEndsTheRun() throws {
        let run = try TinyRun()
        run.scratch.write(
            "inside",
            """
            mount -t tmpfs -o size=1m none out
            "$APUS" train r.yaml --ranks 2 --set save_steps=1 --set max_steps=8; echo "code $?"
            "$APUS" checkpoint verify out || exit 9
            mount -o remount,size=20m out
            "$APUS" train r.yaml --ranks 2 --set save_steps=1 --set max_steps=8
            """)
        let result = try run.shell("mkdir out; unshare -rm sh ./inside")
        #expect(result.exitCode == 0, "\(result.output)")
        #expect(result.output.contains("code 1"), "\(result.output)")
        #expect(result.output.contains("/out: checkpoint-"), "\(result.output)")
        #expect(result.output.contains(" on the disk, "))
        #expect(result.output.contains("resumed from \(run.path)/out/checkpoint-"))
        #expect(result.output.contains("saved \(run.path)/out/checkpoint-8"))
    }

    @Test func aDiskThatFillsUpEndsTheRun() throws {
        let run = try TinyRun()
        run.scratch.write(
            "inside",
            """
            mount -t tmpfs -o size=1m none out
            "$APUS" train r.yaml --ranks 2 --set max_steps=1000000 --set logging_steps=1000000 &
            job=$!
            for i in $(seq 600); do [ -s out/metrics.jsonl ] && break; sleep 0.05; done
            head -c 1000000000 /dev/zero > out/filler; wait $job
            """)
        let result = try run.shell("mkdir out; unshare -rm sh ./inside; code=$?; left; exit $code")
        #expect(result.exitCode == 1)
        let expected = "\(run.path)/out/metrics.jsonl: cannot be written: No space left"
        #expect(result.output.contains(expected), "\(result.output)")
        #expect(result.output.contains("apus: rank 0 of 2 exited with code 1 after step "))
        #expect(result.output.contains("remedy: free some space on the disk"))
    }
}
