import ApusBase
import ApusFormats
import ArgumentParser

extension Bench {
    struct Load: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "load",
            abstract: "Loading a model's weights, beside plain reading of the same files.")

        enum Target: String, ExpressibleByArgument, CaseIterable {
            case stored, fp32, bf16

            var dtype: DType? {
                switch self {
                case .stored: nil
                case .fp32: .float32
                case .bf16: .bfloat16
                }
            }
        }

        @Option(help: ArgumentHelp("A model folder or a file with weights.", valueName: "dir|file"))
        var model: String

        @Option(help: "What the weights are in memory.")
        var dtype = Target.stored

        @Flag(help: "Read from the disk: the files leave the page cache before each reading.")
        var cold = false

        @Option(help: "Readings of each kind, of which the fastest counts.")
        var repetitions = 3

        func run() throws {
            try reporting {
                let benchmark = LoadBenchmark(
                    path: try modelFolder(model), dtype: dtype.dtype, isCold: cold)
                let result = try benchmark.run(repetitions: max(repetitions, 1))
                let peak = result.memoryShare.map { "\(percent($0)) % of that" } ?? "unknown"
                let pages = result.filePageBytes.map { ByteCount($0).decimal } ?? "unknown"
                print(
                    """
                    stored     \(ByteCount(result.storedBytes).decimal)
                    in memory  \(ByteCount(result.loadedBytes).decimal)
                    peak       \(peak)
                    files      \(pages) of their pages resident at the end
                    load       \(speed(result, result.loadSeconds)) GB/s
                    plain      \(comparison(result, result.plainSeconds)), into fresh memory
                    stream     \(comparison(result, result.streamSeconds)), into one buffer
                    """)
            }
        }

        private func speed(_ result: LoadBenchmark.Result, _ seconds: Double) -> Double {
            tenths(Double(result.storedBytes) / seconds / 1e9)
        }

        private func comparison(_ result: LoadBenchmark.Result, _ seconds: Double) -> String {
            let share = percent(seconds / result.loadSeconds)
            return "\(speed(result, seconds)) GB/s: loading runs at \(share) % of that"
        }

        private func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }

        private func percent(_ share: Double) -> Double { tenths(100 * share) }
    }
}
