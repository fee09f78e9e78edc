/// What can be written, explained and planned, and cannot be trained yet.
extension ResolvedRecipe {
    /// - Throws: `ConfigError` with every setting that the trainer would not honour.
    public func checkTrainable() throws(ConfigError) {
        let problems = notYetTrained()
        guard problems.isEmpty else { throw ConfigError(problems) }
    }

    private func notYetTrained() -> [Problem] {
        var problems: [Problem] = []
        if recipe.sharding.stage != .replicated {
            problems.append(
                notYet("sharding", "every rank holds a whole copy for now", "use 'sharding: none'"))
        }
        if recipe.model.fp16 {
            problems.append(notYet("fp16", "losses are not scaled yet", "use bf16 or fp32"))
        }
        if recipe.model.reductionDType != .fp32 {
            problems.append(
                notYet("reduction_dtype", "gradients are summed in fp32", "use fp32"))
        }
        return problems
    }

    private func notYet(_ path: String, _ reason: String, _ remedy: String) -> Problem {
        let value = RecipeKeys.all.first { $0.name == path }?.json(recipe).plainText ?? ""
        return Problem(
            origin(of: path), path: path,
            "'\(path): \(value)' is not supported by Apus yet: \(reason)", hint: remedy)
    }
}
