import ApusBase
import ApusComm
import ApusOptim
import ApusShard
import ApusTrain
import ArgumentParser

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures this machine.",
        subcommands: [BenchTrain.self, BenchAdam.self, BenchComm.self])
}

/// The optimizer update on one core.
struct BenchAdam: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adam", abstract: "AdamW beside a plain loop of the same traffic.")

    @Option var parameters = 24_000_000

    func run() {
        let result = UpdateBenchmark(parameterCount: parameters).run()
        let report: JSON = [
            "parameters": .integer(parameters),
            "fp32_ns_per_parameter": .number(result.float32Nanoseconds),
            "bf16_ns_per_parameter": .number(result.bfloat16Nanoseconds),
            "plain_ns_per_parameter": .number(result.plainNanoseconds),
            "plain_bf16_ns_per_parameter": .number(result.plainBFloat16Nanoseconds),
            "squares_ns_per_parameter": .number(result.squaresNanoseconds),
            "scale_ns_per_parameter": .number(result.scaleNanoseconds),
            "bandwidth_share": .number(result.bandwidthShare),
            "bf16_bandwidth_share": .number(result.bfloat16BandwidthShare),
            "gb_per_s": .number(result.gigabytesPerSecond),
        ]
        print(report.text())
    }
}

/// One rank of `apus bench comm`; rank 0 prints the result.
struct BenchComm: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "comm", abstract: "Collectives beside all ranks copying at once.")

    @Option var largest = 128
    @Option var repetitions = 9
    @Flag var json = false

    func run() throws {
        RankProcess.run { group, _ in
            var options = CommBenchmark.Options()
            options.sizes.removeAll { $0 > largest << 20 }
            options.repetitions = repetitions
            let results = try CommBenchmark(options, group: group).run()
            guard group.rank == 0 else { return }
            if json {
                for result in results { print(result.json.text()) }
            } else {
                print(CommMeasurement.table(results), terminator: "")
            }
        }
    }
}

/// One rank of `apus bench train`; rank 0 prints the result.
struct BenchTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Training steps of a Llama on made-up tokens.")

    @Option var hidden = 384
    @Option var layers = 10
    @Option var heads = 6
    @Option var intermediate = 1024
    @Option var vocabulary = 8192
    @Option var sequence = 256
    @Option var steps = 20
    @Option var dtype = "fp32"
    @Option var sharding = "none"
    @Option var groupSize: Int?
    @Option var accumulation = 1
    @Option var weights: String?
    @Option var profile: String?

    func run() throws {
        RankProcess.run { group, _ in
            var options = TrainingBenchmark.Options()
            options.hidden = hidden
            options.layers = layers
            options.heads = heads
            options.intermediate = intermediate
            options.vocabulary = vocabulary
            options.sequence = sequence
            options.steps = steps
            options.dtype = dtype
            options.sharding = ShardingPolicy(ShardingStrategy(rawValue: sharding) ?? .none)
            options.sharding.groupSize = groupSize
            options.accumulation = accumulation
            options.weights = weights
            let profile = profile.map { Profile(folder: $0, rank: group.rank) }
            let result = try TrainingBenchmark(options, group: group).run()
            let lines = try profile?.finish() ?? []
            guard group.rank == 0 else { return }
            for line in lines { writeError(line + "\n") }
            print(result.text())
        }
    }
}
