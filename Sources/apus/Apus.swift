import ArgumentParser

/// The command line. It links no libtorch, so that it answers in milliseconds; what needs tensors
/// runs in `apus-worker`.
@main
struct Apus: ParsableCommand {
    static let versionNumber = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Distributed training of large models.",
        version: versionNumber,
        subcommands: [
            Train.self, Launch.self, Config.self, Generate.self, Tokenize.self, Bench.self,
            Doctor.self, Version.self,
        ])
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() { print(Apus.versionNumber) }
}
