import ApusBase
import ApusCheckpoint
import ApusConfig
import ApusFormats
import ApusLaunch
import ArgumentParser

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fine-tune or pretrain a model as a recipe says.")

    @OptionGroup var recipe: RecipeOptions
    @OptionGroup var rendezvous: RendezvousOptions

    @Flag(help: "Write a trace of each rank into output_dir, for ui.perfetto.dev.")
    var profile = false

    func run() throws {
        try reporting {
            var resolved = try recipe.load()
            resolved.useModel(in: try modelFolder(resolved.recipe.model.baseModel))
            let report = try train(resolved)
            if let message = report.message { fail(message) }
            if report.exitCode != 0 { throw ExitCode(report.exitCode) }
        }
    }

    private func train(_ resolved: ResolvedRecipe) throws -> RunReport {
        let environment = currentEnvironment()
        let worker = try ProgramSearch.worker(environment: environment)
        let settings = resolved.recipe
        let cores = Machine.current().cores
        try LaunchChecks.checkRanks(
            settings.launch.ranks, cores: cores, oversubscribe: rendezvous.oversubscribe)
        let port = try LaunchChecks.port(wanted: rendezvous.masterPort)
        let output = settings.output.outputDirectory
        if FilePaths.isSame(output, settings.model.baseModel) {
            throw FileError(
                output, "is the folder of base_model: the trained model would replace it",
                remedy: "give another output_dir")
        }
        try CheckpointDirectory.checkFree(output)
        let folder = try RunFolder(creating: output)
        try folder.write(resolved.json.text(.indented) + "\n", to: folder.resolvedRecipe)

        var plan = LaunchPlan(
            program: worker, localRanks: settings.launch.ranks, masterPort: port, cores: cores)
        plan.arguments = ["train", "--resolved", folder.resolvedRecipe]
        if profile { plan.arguments.append("--profile") }
        plan.threadsPerRank = settings.launch.threadsPerRank
        plan.output = .files(folder: folder.logs)
        plan.wantsEvents = true

        let display = TrainingDisplay(
            title: name(resolved), loggingSteps: settings.output.loggingSteps,
            recorder: try EventRecorder(path: folder.events), terminal: .standardOutput())
        defer { display.finish() }
        display.announce([resolved.outline])
        var report = try Launcher(plan: plan, observer: display).run(inherited: environment)
        report.progress = display.state.place
        report.reportedError = display.state.error
        if report.outcome == .succeeded, display.state.summary == nil {
            throw LaunchError(
                "all ranks ended without an error, but none reported that the run is done",
                likelyCause: "\(worker) is of another version than this program",
                remedy: "build both with 'make release'")
        }
        return report
    }

    /// The recipe's file name.
    private func name(_ resolved: ResolvedRecipe) -> String {
        resolved.path.split(separator: "/").last.map(String.init) ?? resolved.path
    }
}

/// How the ranks of this host find each other.
struct RendezvousOptions: ParsableArguments {
    @Option(help: "Port on which rank 0 meets the others (default: a free one).")
    var masterPort: Int?

    @Flag(help: "Allow many more ranks than cores.")
    var oversubscribe = false
}
