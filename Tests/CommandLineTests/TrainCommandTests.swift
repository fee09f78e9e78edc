import ProgramTestSupport
import Testing

/// `apus train` around a worker that is a shell script: what the command line does by itself.
@Suite struct TrainCommandTests {
    private let recipe = """
        base_model: /dev/null
        datasets: [{path: /dev/null, ds_type: json, type: chat_template}]
        learning_rate: 1e-4
        output_dir: out
        ranks: 2

        """

    /// Runs `apus train` in a folder with the recipe and this worker.
    private func train(
        _ worker: String, _ arguments: String = "", then: String = ""
    ) throws -> Program.Result {
        let scratch = try Scratch()
        scratch.write("r.yaml", recipe)
        scratch.write("worker", "#!/bin/sh\n" + worker)
        return try Program.shell(
            """
            cd '\(scratch.path)'; export APUS_WORKER="$PWD/worker"
            apus train r.yaml \(arguments); code=$?; \(then.isEmpty ? ":" : then); exit $code
            """)
    }

    private let report = """
        say() { if [ -n "$APUS_EVENTS_FD" ]; then echo "$1" >&$APUS_EVENTS_FD; fi; }
        finish() { say '{"event": "done", "steps": 0, "seconds": 0}'; }
        """

    @Test func aRunIsShownInPlainLines() throws {
        let worker = """
            \(report)
            say '{"event": "phase", "name": "loading model", "detail": "tiny"}'
            say '{"event": "start", "steps": 2, "ranks": 2, "parameters": 1500000}'
            say '{"event": "step", "step": 1, "loss": 2.5, "learning_rate": 1e-4, \
            "step_seconds": 1}'
            say '{"event": "step", "step": 2, "loss": 1.5, "grad_norm": 0.25, "step_seconds": 1}'
            say '{"event": "eval", "step": 2, "eval_loss": 1.75}'
            say '{"event": "done", "steps": 2, "seconds": 3, "eval_loss_before": 3, \
            "eval_loss_after": 1.75, "path": "out"}'
            echo "rank $RANK has $OMP_NUM_THREADS threads"
            """
        let result = try train(worker, "--set threads_per_rank=3", then: "cat out/logs/rank-1.log")
        let expected = """
            r.yaml: 2 ranks x 3 threads, fp32, into out
            loading model: tiny
            training: 2 steps on 2 ranks, 1.5 M parameters
            step 1/2  loss 2.5000  lr 1.00e-04  1 s left
            step 2/2  loss 1.5000  grad norm 0.2500  0 s left
            held-out loss 1.7500 at step 2
            held-out loss 3.0000 -> 1.7500
            2 steps in 3 s, model in out
            rank 1 has 3 threads

            """
        #expect(result.output == expected)
        #expect(result.exitCode == 0)
    }

    @Test func theWorkerGetsTheResolvedConfiguration() throws {
        let worker = """
            \(report)
            finish; echo "$1 $2 $3"; cat "$3"
            """
        let result = try train(worker, "--set seed=7", then: "cat out/logs/rank-0.log")
        #expect(result.output.contains("train --resolved out/resolved.json\n"))
        #expect(result.output.contains("\"seed\": 7"))
        #expect(result.output.contains("\"seed\": \"--set seed=7\""))
        #expect(result.output.contains("\"learning_rate\": \"r.yaml:3\""))
    }

    @Test func eventsAreKept() throws {
        let worker = "\(report)\nsay '{\"event\": \"phase\", \"name\": \"x\"}'; finish\n"
        let result = try train(worker, then: "cat out/events.jsonl")
        let done = #"{"event": "done", "steps": 0, "seconds": 0}"#
        #expect(result.output.hasSuffix("{\"event\": \"phase\", \"name\": \"x\"}\n\(done)\n"))
    }

    /// A worker that does nothing must not look like a run that succeeded.
    @Test func aRunThatSaysNothingIsNoSuccess() throws {
        let result = try train("exit 0")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("none reported that the run is done"))
    }

    @Test func aKilledRankEndsTheRunAndIsNamed() throws {
        let worker = """
            \(report)
            say '{"event": "start", "steps": 9, "ranks": 2}'
            say '{"event": "step", "step": 3, "loss": 2.5}'
            if [ $RANK = 1 ]; then echo about to die; sleep 0.3; kill -9 $$; fi
            sleep 60
            """
        let result = try train(worker)
        #expect(result.exitCode == 137)
        let expected = [
            "rank 1 was killed by SIGKILL, ending the others",
            "apus: rank 1 of 2 was killed by SIGKILL after step 3 of 9",
            "likely cause: the system ran out of memory and killed it",
            "its last words (out/logs/rank-1.log):", "    | about to die",
        ]
        for part in expected { #expect(result.output.contains(part)) }
    }

    @Test func aWorkersOwnMessageIsShown() throws {
        let worker = "echo 'apus-worker: x.jsonl:3: not JSON' >&2; exit 1"
        let result = try train(worker, "--ranks 1")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("rank 0 of 1 exited with code 1"))
        #expect(result.output.contains("    | apus-worker: x.jsonl:3: not JSON"))
    }

    @Test(arguments: [
        ("--ranks 0", "--ranks 0: 'ranks' must be an integer from 1 to 4096, not '0'"),
        ("--ranks=-1", "must be an integer from 1 to 4096"),
        ("--ranks 4000", "4000 ranks on"),
        ("--master-port 99999", "99999 is no port"),
        ("--set output_dir=/dev/null/x", "/dev/null/x cannot be written"),
        ("--set output_dir=/proc/x", "/proc/x cannot be written"),
        ("--set datasets.0.path=no.jsonl", "no file or folder 'no.jsonl'"),
        ("--set learning_rate=fast", "must be a number of at least 0, not 'fast'"),
    ])
    func runsThatCannotBegin(_ arguments: String, _ expected: String) throws {
        let result = try train("echo started >&2; exit 5", arguments)
        #expect(result.exitCode == 1)
        #expect(result.output.contains(expected))
        #expect(!result.output.contains("started"))
    }

    /// /dev/full accepts nothing, like a full disk.
    @Test func aFullDiskIsExplained() throws {
        let scratch = try Scratch()
        scratch.write("r.yaml", recipe)
        scratch.write("worker", "#!/bin/sh\n")
        let result = try Program.shell(
            """
            cd '\(scratch.path)'; export APUS_WORKER="$PWD/worker"
            mkdir out; ln -s /dev/full out/resolved.json; apus train r.yaml
            """)
        #expect(result.exitCode == 1)
        #expect(
            result.output.contains("out/resolved.json cannot be written: No space left on device"))
        #expect(result.output.contains("remedy: free some disk space"))
    }

    @Test func aMissingWorkerIsExplained() throws {
        let scratch = try Scratch()
        scratch.write("r.yaml", recipe)
        let result = try Program.shell(
            "cd '\(scratch.path)'; cp \"$APUS\" .; unset APUS_WORKER; PATH=/bin ./apus train r.yaml"
        )
        #expect(result.exitCode == 1)
        #expect(result.output.contains("no program apus-worker"))
        #expect(result.output.contains("make release"))
    }
}

/// `apus doctor` with workers that answer, fail, or are not there.
@Suite struct DoctorCommandTests {
    private func doctor(_ worker: String, _ arguments: String = "") throws -> Program.Result {
        let scratch = try Scratch()
        scratch.write("worker", "#!/bin/sh\n" + worker)
        return try Program.shell(
            "export APUS_WORKER='\(scratch.path)/worker'; apus doctor \(arguments)")
    }

    private let healthy = """
        [ "$*" = "doctor --json" ] || exit 9
        echo '{"libtorch": {"version": "2.13.0", "path": "/opt/torch"}, \
        "gloo": {"available": true}, "cuda": {"available": false, "reason": "no driver"}, \
        "nccl": {"available": false}}'
        """

    @Test func aHealthyMachine() throws {
        let result = try doctor(healthy)
        #expect(result.exitCode == 0)
        for part in ["core", "2.13.0 in /opt/torch", "none: no driver", "none: not built in"] {
            #expect(result.output.contains(part))
        }
    }

    @Test func theSameAsJSON() throws {
        let output = try doctor(healthy, "--json").output
        #expect(
            output.contains(#""libtorch": {"verdict": "good", "text": "2.13.0 in /opt/torch"}"#))
    }

    @Test(arguments: [
        ("echo 'libtorch.so: cannot open' >&2; exit 127", "libtorch.so: cannot open"),
        ("echo nonsense", "printed no JSON object"), ("echo '{}'", "found no libtorch"),
    ])
    func aBrokenWorkerIsExplained(_ worker: String, _ expected: String) throws {
        let result = try doctor(worker)
        #expect(result.exitCode == 1)
        #expect(result.output.contains(expected))
        #expect(result.output.contains("make setup"))
    }

    @Test func aMissingWorkerIsNamed() throws {
        let result = try Program.shell("export APUS_WORKER=/no/such; apus doctor")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("no program /no/such"))
    }
}
