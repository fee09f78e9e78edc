import ApusLaunch
import ArgumentParser

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure this machine with Apus; prints one JSON line per benchmark.",
        subcommands: [BenchTrain.self])
}

/// Starts the ranks of the training benchmark; the first prints the result.
struct BenchTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Training steps of a Llama on made-up tokens (Benchmarks/README.md).")

    @Option(help: "Width of the model.") var hidden = 384
    @Option(help: "Transformer blocks.") var layers = 10
    @Option(help: "Attention heads.") var heads = 6
    @Option(help: "Width of the feed-forward part.") var intermediate = 1024
    @Option(help: "Number of different tokens.") var vocabulary = 8192
    @Option(help: "Tokens of a sequence; each rank computes one sequence a step.") var sequence = 256
    @Option(help: "Optimizer steps.") var steps = 20
    @Option(help: "fp32 or bf16.") var dtype = "fp32"
    @Option(help: ArgumentHelp("A model folder with initial weights.", valueName: "dir"))
    var weights: String?
    @Option(help: "Processes.") var ranks = 2
    @Option(help: "Threads of each process.") var threads = 1

    func validate() throws {
        let sizes = [hidden, layers, heads, intermediate, vocabulary, steps, ranks, threads]
        if sizes.contains(where: { $0 < 1 }) { throw ValidationError("Sizes must be at least 1.") }
        if sequence < 2 { throw ValidationError("--sequence must be at least 2.") }
        if !["fp32", "bf16"].contains(dtype) { throw ValidationError("--dtype is fp32 or bf16.") }
    }

    func run() throws {
        try reporting {
            let environment = currentEnvironment()
            let worker = try ProgramSearch.worker(environment: environment)
            let cores = Machine.current().cores
            try LaunchChecks.checkRanks(ranks, cores: cores, oversubscribe: false)
            var plan = LaunchPlan(
                program: worker, localRanks: ranks, masterPort: try LaunchChecks.port(wanted: nil),
                cores: cores)
            plan.arguments = workerArguments
            plan.threadsPerRank = threads
            let report = try Launcher(plan: plan, observer: Echo()).run(inherited: environment)
            if let message = report.message { fail(message) }
            if report.exitCode != 0 { throw ExitCode(report.exitCode) }
        }
    }

    private var workerArguments: [String] {
        let numbers = [
            ("hidden", hidden), ("layers", layers), ("heads", heads), ("intermediate", intermediate),
            ("vocabulary", vocabulary), ("sequence", sequence), ("steps", steps),
        ]
        var arguments = ["bench", "train", "--dtype", dtype]
        for (name, value) in numbers { arguments += ["--\(name)", String(value)] }
        if let weights { arguments += ["--weights", weights] }
        return arguments
    }
}

/// Hands on what the ranks print.
private final class Echo: LaunchObserver {
    func printed(_ line: String, byRank rank: Int, to stream: OutputStream) {
        switch stream {
        case .standardOutput: print(line)
        case .standardError: fail("rank \(rank): \(line)")
        }
    }
}
