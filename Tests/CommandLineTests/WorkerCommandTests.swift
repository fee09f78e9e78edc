import ApusBase
import ProgramTestSupport
import Testing

/// Verbs that hand over to `apus-worker`, around a worker that shows what it was given.
@Suite struct WorkerCommandTests {
    private func run(_ arguments: String) throws -> Program.Result {
        let scratch = try Scratch()
        scratch.write("worker", "#!/bin/sh\necho \"$RANK/$WORLD_SIZE $OMP_NUM_THREADS:\" \"$@\"\n")
        return try Program.shell(
            """
            unset RANK WORLD_SIZE OMP_NUM_THREADS
            export APUS_WORKER='\(scratch.path)/worker'; apus \(arguments) | sort
            """)
    }

    @Test func generatePassesOnWhatIsGiven() throws {
        let result = try run(
            "generate --model m.gguf --prompt 'two words' --chat --temperature 0.5")
        let expected =
            "/ : generate --model=m.gguf --prompt=two words --temperature=0.5 --chat\n"
        #expect(result.output == expected)
    }

    @Test func benchTrainRunsOnRanks() throws {
        let result = try run("bench train --ranks 2 --threads-per-rank 3 --steps 5")
        let options =
            "bench train --hidden 384 --layers 10 --heads 6 --intermediate 1024 "
            + "--vocabulary 8192 --sequence 256 --steps 5 --accumulation 1 --dtype fp32 "
            + "--sharding none\n"
        #expect(result.output == "0/2 3: \(options)1/2 3: \(options)")
    }

    @Test func benchCheckpointLeavesNothing() throws {
        let scratch = try Scratch()
        let result = try Program.shell(
            "apus bench checkpoint --size 4 --repetitions 1 --json --folder '\(scratch.path)'")
        let json = try JSON.parse(result.output)
        #expect(json["bytes"]?.intValue == 3 << 20)
        #expect(json.objectValue?.members.allSatisfy { $0.value.doubleValue ?? 1 > 0 } == true)
        #expect(try Program.shell("ls -A '\(scratch.path)'").output == "")
    }

    @Test(arguments: [
        ("bench train --hidden 10 --heads 3", "--hidden divisible by --heads"),
        ("bench train --dtype fp8", "--dtype must be fp32, bf16 or fp16"),
        ("bench train --sharding everything", "--sharding must be one of none, optimizer"),
        ("bench comm --ranks 1", "--ranks must be at least 2"),
        ("bench train --steps 0", "Sizes must be above 0"),
        ("bench checkpoint --repetitions 0", "--repetitions must be at least 1"),
        ("bench checkpoint --folder /nowhere", "/nowhere/apus-bench-checkpoint-"),
        ("generate --model m --prompt p --max-new-tokens 0", "--max-new-tokens must be at least 1"),
        ("generate --model m --prompt p --temperature=-1", "--temperature must be a number"),
    ])
    func impossibleOptionsAreRefused(_ arguments: String, _ expected: String) throws {
        #expect(try run(arguments).output.contains(expected))
    }
}
