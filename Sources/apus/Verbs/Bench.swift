import ArgumentParser

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure this machine with Apus; prints one JSON line per benchmark.",
        discussion: "'apus bench --help' after a benchmark's name lists its options.")

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The benchmark and its options, such as: train", valueName: "benchmark"))
    var arguments: [String] = []

    func validate() throws {
        if arguments.isEmpty { throw ValidationError("Missing the benchmark, such as: train") }
    }

    func run() throws {
        try reporting { try becomeWorker(["bench"] + arguments) }
    }
}
