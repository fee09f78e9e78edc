import ApusBase
import ApusCheckpoint
import ArgumentParser

extension Bench {
    struct Saving: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "checkpoint",
            abstract: "Saving and loading of a checkpoint, beside plain writing and reading.")

        @Option(help: ArgumentHelp("Where the files are written for a while.", valueName: "dir"))
        var folder = "."

        @Option(help: ArgumentHelp("Bytes of the state, in MB.", valueName: "mb"))
        var size = 1000

        @Option(help: "Times that each is measured, in turn; the medians count.")
        var repetitions = 5

        @Flag(help: "Print a JSON object of seconds instead of a table.")
        var json = false

        func validate() throws {
            if size < 1 { throw ValidationError("--size must be at least 1.") }
            if repetitions < 1 { throw ValidationError("--repetitions must be at least 1.") }
        }

        func run() throws {
            try reporting {
                let benchmark = CheckpointBenchmark(folder: folder, byteCount: size * 1_000_000)
                let result = try benchmark.run(repetitions: repetitions)
                print(json ? result.json.text() + "\n" : result.table, terminator: "")
            }
        }
    }
}
