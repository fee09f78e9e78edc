import ApusBase
import ApusTokenizer
import ArgumentParser

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension Bench {
    struct Tokenizing: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tokenizer",
            abstract: "Encoding and decoding of a file's texts (see Benchmarks/README.md).")

        @Option(help: ArgumentHelp("A HuggingFace folder or a GGUF file.", valueName: "dir|file"))
        var model: String

        @Option(
            help: ArgumentHelp(
                "Text, each line a text; or .jsonl with strings or objects with \"text\".",
                valueName: "file"))
        var text: String

        @Option(help: "Threads of the second figure.")
        var threads = 2

        @Option(help: "The fastest of so many runs counts.")
        var repeats = 3

        func validate() throws {
            guard threads > 0, repeats > 0 else {
                throw ValidationError("--threads and --repeats must be at least 1.")
            }
        }

        func run() throws {
            try reporting {
                let tokenizer = try openTokenizer(model)
                var texts: [String] = []
                try TextLines(file: text).forEachBlock { texts += $0 }
                print(report(tokenizer, texts).text())
            }
        }

        private func report(_ tokenizer: Tokenizer, _ texts: [String]) -> JSON {
            let byteCount = texts.reduce(0) { $0 + $1.utf8.count }
            var ids: [[Int32]] = []
            var report: JSONObject = ["bytes": .integer(byteCount), "threads": .integer(threads)]
            func measure(_ name: String, _ body: () -> Void) {
                let best = fastest(body)
                report[name] = [
                    "mb_per_s": .number(Double(byteCount) / best.seconds / 1e6),
                    "seconds": .number(best.seconds), "cpu_seconds": .number(best.cpuSeconds),
                ]
            }
            measure("encode") { ids = tokenizer.encodeBatch(texts, threadCount: 1) }
            measure("encode_threads") {
                ids = tokenizer.encodeBatch(texts, threadCount: threads)
            }
            measure("encode_offsets") {
                _ = tokenizer.encodeBatchWithOffsets(texts, threadCount: 1)
            }
            measure("decode") { _ = tokenizer.decodeBatch(ids, threadCount: 1) }
            report["tokens"] = .integer(ids.reduce(0) { $0 + $1.count })
            return .object(report)
        }

        private func fastest(_ body: () -> Void) -> (seconds: Double, cpuSeconds: Double) {
            var best = (seconds: Double.infinity, cpuSeconds: 0.0)
            for _ in 0..<repeats {
                let begin = ContinuousClock.now
                let cpuBegin = clock()
                body()
                let cpuSeconds = Double(clock() - cpuBegin) / Double(CLOCKS_PER_SEC)
                let seconds = begin.duration(to: .now) / .seconds(1)
                if seconds < best.seconds { best = (seconds, cpuSeconds) }
            }
            return best
        }
    }
}
