import ApusBase
import ProgramTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A folder with a recipe that trains a tiny Llama on token ids, and the real `apus` in it.
struct TinyRun: ~Copyable {
    let scratch: Scratch

    /// The folder `name` of another target's tests.
    static func fixture(_ name: String) -> String {
        let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        return tests.joined(separator: "/") + "/" + name
    }

    static let model = fixture("ApusModelsTests/Fixtures/models/llama-tied")

    init() throws {
        scratch = try Scratch()
        scratch.write(
            "r.yaml",
            """
            base_model: \(Self.model)
            datasets:
              - path: \(Self.fixture("ApusTrainTests/Fixtures/tokens.jsonl"))
                ds_type: json
                type: input_ids
            sequence_len: 64
            micro_batch_size: 2
            gradient_accumulation_steps: 2
            max_steps: 5
            learning_rate: 1e-2
            warmup_steps: 2
            bf16: false
            threads_per_rank: 1
            output_dir: \(scratch.path)/out

            """)
    }

    var path: String { scratch.path }

    /// Lines of shell in the folder: `apus` is the program, `left` prints the ranks that are alive.
    func shell(_ lines: String) throws -> Program.Result {
        // The brackets keep grep from finding itself.
        try Program.shell(
            """
            cd '\(path)' || exit 99; unset APUS_WORKER
            left() { grep -ls "$PWD/out/[r]esolved.json" /proc/[0-9]*/cmdline | grep -v self; }
            \(lines)
            """)
    }

    /// `apus train`, which must leave no process behind.
    func train(_ arguments: String = "") throws -> Program.Result {
        let result = try shell(
            "apus train r.yaml \(arguments); code=$?; left | sed 's/^/left over: /'; exit $code")
        #expect(!result.output.contains("left over:"), "\(result.output)")
        return result
    }

    /// Trains for longer than anybody waits, does something to it after some steps, and returns
    /// what it printed and its exit code. `$launcher` and `$rank0`, `$rank1` are the processes.
    func interrupt(_ arguments: String = "", by action: String) throws -> Program.Result {
        let settings = "--ranks 2 --set max_steps=1000000 --set logging_steps=1000000"
        // Background jobs of a shell ignore SIGINT unless it controls jobs.
        let result = try shell(
            """
            set -m; "$APUS" train r.yaml \(settings) \(arguments) >printed 2>&1 & launcher=$!
            steps() { cat out/metrics.jsonl 2>/dev/null | wc -l; }
            pid() { sed -n 's/.*: process \\([0-9]*\\),.*/\\1/p' out/logs/rank-$1.log; }
            for i in $(seq 600); do [ "$(steps)" -ge 3 ] && break; sleep 0.05; done
            rank0=$(pid 0); rank1=$(pid 1)
            \(action)
            wait $launcher; code=$?; cat printed; left | sed 's/^/left over: /'; exit $code
            """)
        #expect(!result.output.contains("left over:"), "\(result.output)")
        return result
    }

    func text(_ name: String) throws -> String {
        let result = try shell("cat '\(name)'")
        try #require(result.exitCode == 0, "\(result.output)")
        return result.output
    }

    /// One object per optimizer step.
    func metrics(_ folder: String = "out") throws -> [JSON] {
        let lines = try text("\(folder)/metrics.jsonl").split(separator: "\n")
        return try lines.map { try JSON.parse(String($0)) }
    }

    func losses(_ folder: String = "out") throws -> [Double] {
        try metrics(folder).map { try #require($0["loss"]?.doubleValue) }
    }
}
