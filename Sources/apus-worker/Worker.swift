import ArgumentParser

/// The tensor side of Apus: started by `apus`, never typed by people.
@main
struct Worker: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-worker", abstract: "What 'apus' starts to work with tensors.",
        subcommands: [Train.self, Generate.self, Adapter.self, Bench.self, Doctor.self])
}
