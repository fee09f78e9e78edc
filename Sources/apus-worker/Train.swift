import ApusBase
import ApusComm
import ApusConfig
import ApusTrain
import ArgumentParser

/// One rank of `apus train`.
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "One rank of 'apus train'.")

    @Option(help: "The resolved recipe, as 'apus train' writes it.")
    var resolved: String

    @Flag(help: "Record where the time goes.")
    var profile = false

    func run() throws {
        RankProcess.run(log: RankLog(descriptor: 1)) { group, events in
            let recipe = try ResolvedRecipe(resolvedFile: resolved)
            let folder = recipe.recipe.output.outputDirectory + "/trace"
            let profile = profile ? Profile(folder: folder, rank: group.rank) : nil
            let run = TrainingRun(
                recipe, group: group, events: events, wantsStop: { RankProcess.wantsStop })
            let summary: RunSummary
            do {
                summary = try run.run()
            } catch let stop as StoppedBeforeTraining {
                return events.send(.note(stop.summary))
            }
            for line in try profile?.finish() ?? [] { events.send(.note(line)) }
            if summary.wasInterrupted { RankProcess.setExitCode(RankExitCode.stopped) }
        }
    }
}
