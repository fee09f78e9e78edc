import ApusBase
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
            Train.self, Plan.self, Launch.self, Config.self, CheckpointVerb.self, Generate.self,
            Adapter.self, Tokenize.self, TokenizerVerb.self, Export.self, DataVerb.self,
            Bench.self, Doctor.self, Version.self,
        ])

    static func main() {
        if let verb = CommandLine.arguments.dropFirst().first, let message = misspelt(verb) {
            fail(message)
            exit(withError: ExitCode.validationFailure)
        }
        main(nil)
    }

    /// What to say about a verb that does not exist.
    private static func misspelt(_ verb: String) -> String? {
        let verbs = configuration.subcommands.map { $0._commandName } + ["help"]
        guard !verb.hasPrefix("-"), !verbs.contains(verb) else { return nil }
        let guess = nearestName(to: verb, among: verbs).map { "did you mean '\($0)'?" }
        let advice = guess ?? "the verbs are \(verbs.joined(separator: ", "))"
        return "no verb '\(verb)'\n    \(advice)"
    }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() { print(Apus.versionNumber) }
}
