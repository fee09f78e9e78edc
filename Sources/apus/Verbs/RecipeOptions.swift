import ApusConfig
import ApusLaunch
import ArgumentParser

/// A recipe and what the command line changes in it.
struct RecipeOptions: ParsableArguments {
    @Argument(help: "The recipe, a YAML file.")
    var recipe: String

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Change a value: dotted keys, list positions from 0 (datasets.0.path=x.jsonl).",
            valueName: "key=value"))
    var settings: [String] = []

    @Option(help: "Number of processes; the same as --set ranks=N.")
    var ranks: Int?

    /// - Throws: `ConfigError` with everything that is wrong.
    func load() throws -> ResolvedRecipe {
        try ResolvedRecipe.load(
            path: recipe, overrides: overrides(), machine: Machine.current().facts)
    }

    /// The file where it is another tool's; nil for a recipe.
    func loadForeign() throws -> ForeignConfiguration? {
        try ForeignConfiguration.load(
            path: recipe, overrides: overrides(), machine: Machine.current().facts)
    }

    private func overrides() throws -> [Override] {
        let changes = try settings.map { try Override(set: $0) }
        return changes + (ranks.map { [Override(flag: "--ranks", $0, sets: "ranks")] } ?? [])
    }
}
