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
        var overrides = try settings.map { try Override(set: $0) }
        if let ranks { overrides.append(Override(flag: "--ranks", ranks, sets: "ranks")) }
        return try ResolvedRecipe.load(
            path: recipe, overrides: overrides, machine: Machine.current().facts)
    }
}
