import ApusBase
import ApusLaunch
import ArgumentParser

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell what this machine and build can do, and what to do about what is missing.")

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let checkup = Checkup.run(environment: currentEnvironment())
        if json {
            print(checkup.json.text())
        } else {
            print(checkup.text(hasColour: Terminal.standardOutput().hasColour), terminator: "")
        }
        if !checkup.isHealthy { throw ExitCode(1) }
    }
}
