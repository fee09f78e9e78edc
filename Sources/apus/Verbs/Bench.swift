import ApusLaunch
import ApusShard
import ArgumentParser

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure this machine.",
        subcommands: [
            Training.self, Adam.self, Communication.self, Tokenizing.self, Load.self, Saving.self,
        ])

    struct Adam: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "adam",
            abstract: "The optimizer update on one core, beside a plain loop of the same traffic.")

        @Option(help: "Parameters to update; far more than fit the caches.")
        var parameters = 24_000_000

        func validate() throws {
            if parameters < 1 { throw ValidationError("--parameters must be at least 1.") }
        }

        func run() throws {
            try reporting {
                try becomeWorker(["bench", "adam", "--parameters", String(parameters)])
            }
        }
    }

    struct Communication: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "comm",
            abstract: "Collectives of 64 KiB and more, beside all ranks copying at once.")

        @Option(help: "Processes.")
        var ranks = 2

        @Option(help: ArgumentHelp("The largest tensor, in MiB.", valueName: "mib"))
        var largest = 128

        @Option(help: "Times that each operation is measured; the best counts.")
        var repetitions = 9

        @Flag(help: "Print one JSON object a line instead of a table.")
        var json = false

        func validate() throws {
            if largest < 1 { throw ValidationError("--largest must be at least 1.") }
            if repetitions < 1 { throw ValidationError("--repetitions must be at least 1.") }
            if ranks < 2 { throw ValidationError("--ranks must be at least 2.") }
        }

        func run() throws {
            let sizes = ["--largest", String(largest), "--repetitions", String(repetitions)]
            try RankRun(
                arguments: ["bench", "comm"] + sizes + (json ? ["--json"] : []), ranks: ranks,
                threadsPerRank: 1
            ).runReporting()
        }
    }

    struct Training: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "train",
            abstract: "Training steps of a Llama on made-up tokens (see Benchmarks/README.md).")

        @Option(help: "Processes.")
        var ranks = 1

        @Option(help: "Threads of each rank (default: cores / ranks).")
        var threadsPerRank: Int?

        @Option(help: "Width of the model.")
        var hidden = 384

        @Option(help: "Blocks of the model.")
        var layers = 10

        @Option(help: "Attention heads.")
        var heads = 6

        @Option(help: "Width of the feed-forward layers.")
        var intermediate = 1024

        @Option(help: "Tokens of the vocabulary.")
        var vocabulary = 8192

        @Option(help: "Tokens of a sequence; each rank computes one sequence a step.")
        var sequence = 256

        @Option(help: "Optimizer steps.")
        var steps = 20

        @Option(help: "fp32, bf16 or fp16.")
        var dtype = "fp32"

        @Option(help: "none, optimizer, gradients or parameters: what is spread over the ranks.")
        var sharding = "none"

        @Option(help: "Ranks that share one copy of the model (default: all).")
        var groupSize: Int?

        @Option(help: "Micro-batches of each rank in a step.")
        var accumulation = 1

        @Option(help: ArgumentHelp("A model folder with initial weights.", valueName: "dir"))
        var weights: String?

        @Option(help: ArgumentHelp("Write a trace of each rank there.", valueName: "dir"))
        var profile: String?

        func validate() throws {
            guard ["fp32", "bf16", "fp16"].contains(dtype) else {
                throw ValidationError("--dtype must be fp32, bf16 or fp16, not '\(dtype)'.")
            }
            guard ShardingStrategy(rawValue: sharding) != nil else {
                let names = ShardingStrategy.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--sharding must be one of \(names), not '\(sharding)'.")
            }
            let sizes = [
                hidden, layers, heads, intermediate, vocabulary, sequence, steps, accumulation,
            ]
            guard sizes.allSatisfy({ $0 > 0 }), hidden % heads == 0 else {
                throw ValidationError("Sizes must be above 0, and --hidden divisible by --heads.")
            }
        }

        func run() throws {
            try RankRun(
                arguments: ["bench", "train"] + options, ranks: ranks,
                threadsPerRank: threadsPerRank
            ).runReporting()
        }

        private var options: [String] {
            let sizes = [
                ("hidden", hidden), ("layers", layers), ("heads", heads),
                ("intermediate", intermediate), ("vocabulary", vocabulary), ("sequence", sequence),
                ("steps", steps), ("accumulation", accumulation),
            ]
            var options = sizes.flatMap { ["--\($0.0)", String($0.1)] }
            options += ["--dtype", dtype, "--sharding", sharding]
            if let groupSize { options += ["--group-size", String(groupSize)] }
            if let weights { options += ["--weights", weights] }
            if let profile { options += ["--profile", profile] }
            return options
        }
    }
}

/// Ranks of `apus-worker` whose output is passed on.
struct RankRun {
    let arguments: [String]
    let ranks: Int
    let threadsPerRank: Int?

    func runReporting() throws {
        try reporting {
            let report = try run()
            if let message = report.message { fail(message) }
            if report.exitCode != 0 { throw ExitCode(report.exitCode) }
        }
    }

    private func run() throws -> RunReport {
        let environment = currentEnvironment()
        let cores = Machine.current().cores
        try LaunchChecks.checkRanks(ranks, cores: cores, oversubscribe: false)
        var plan = LaunchPlan(
            program: try ProgramSearch.worker(environment: environment), localRanks: ranks,
            masterPort: try LaunchChecks.port(wanted: nil), cores: cores)
        plan.arguments = arguments
        plan.threadsPerRank = threadsPerRank
        return try Launcher(plan: plan, observer: PassThrough(hasPrefix: false))
            .run(inherited: environment)
    }
}
