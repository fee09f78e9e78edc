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

        func run() throws {
            try reporting {
                let result = try LoadBenchmark(path: modelFolder(model), dtype: dtype.dtype).run()
                let speed = Double(result.storedBytes) / result.loadSeconds / 1e9
                print(
                    """
                    stored     \(ByteCount(result.storedBytes).decimal)
                    in memory  \(ByteCount(result.loadedBytes).decimal)
                    peak       \(percent(result.memoryShare)) % of that
                    load       \(tenths(speed)) GB/s
                    plain      \(tenths(speed / result.speedShare)) GB/s
                    share      \(percent(result.speedShare)) %
                    """)
            }
        }

        private func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }

        private func percent(_ share: Double) -> Double { tenths(100 * share) }
    }
}
