import ApusBase
import ApusConfig
import ApusLaunch
import ApusShard
import ArgumentParser

/// Predicts memory before anything runs.
struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict the memory of each rank, at every stage of sharding.")

    @OptionGroup var recipe: RecipeOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        try reporting {
            let resolved = try recipe.load()
            let model = try ModelOutline(modelAt: resolved.recipe.model.baseModel)
            let machine = Machine.current()
            let free = machine.availableMemoryBytes
            let available = free.map { min($0, machine.memoryLimitBytes ?? $0) }
            let plan = MemoryPlan(resolved, model, availableBytes: available)
            print(json ? plan.json.text() + "\n" : plan.text, terminator: "")
        }
    }
}
