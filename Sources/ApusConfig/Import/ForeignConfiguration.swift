public import ApusBase

/// A file of another tool, by itself: what a recipe would say instead.
public struct ForeignConfiguration: Sendable {
    public let path: String
    /// `DeepSpeed` or `Accelerate`.
    public let tool: String
    /// What the file sets, as a recipe would, with the origin of each value.
    public let settings: [ImportedSetting]
    /// Recipe keys that the file leaves open with "auto".
    public let automatic: [ImportedSetting]
    /// What of the file has no effect here, and why.
    public let notes: [ImportNote]

    /// The file at `path` where it is one of another tool; nil for a recipe.
    ///
    /// - overrides: what the command line adds; a DeepSpeed file needs `ranks` for its batch sizes
    /// - Throws: `ConfigError` with every problem found, `FileError` for an unreadable file.
    public static func load(
        path: String, overrides: [Override] = [], machine: MachineFacts
    ) throws -> ForeignConfiguration? {
        let entry = try YAMLReader.read(readText(path), path: path)
        guard let tool = tool(of: entry, path: path) else { return nil }
        var recipe = Entry(content: .mapping([]), origin: entry.origin)
        for override in overrides { recipe = try recipe.applying(override) }
        return try ForeignConfiguration(entry, path, tool, recipe: recipe, machine)
    }

    private init(
        _ entry: Entry, _ path: String, _ tool: String, recipe: Entry, _ machine: MachineFacts
    ) throws(ConfigError) {
        var translation =
            tool == DeepSpeedTranslation.tool
            ? DeepSpeedTranslation.translate(entry, recipe: recipe, machine: machine)
            : AccelerateTranslation.translate(entry)
        var merged = translation.merged(into: recipe)
        var file = try ResolvedRecipe.deepSpeedFile(of: merged, recipePath: path, machine: machine)
        if let further = file?.merged(into: merged) { merged = further }
        let (resolved, readingProblems) = ResolvedRecipe.read(merged, path: path)
        // A file of settings is no whole recipe: what a recipe must have may be missing.
        let given = readingProblems.filter { problem in
            merged.value(at: problem.path.split(separator: ".").map(String.init)[...]) != nil
        }
        let problems = translation.problems + (file?.problems ?? []) + given
        guard problems.isEmpty else { throw ConfigError(problems) }
        self.path = path
        self.tool = tool
        settings = resolved.givenSettings
        let open = translation.automatic + (file?.automatic ?? [])
        automatic = open.map {
            ImportedSetting(key: $0.key, value: "auto", origin: $0.origin)
        }
        notes = translation.document.notes + (file?.document.notes ?? [])
    }

    /// Whose file it is, by its keys; the ending decides where both could be meant.
    private static func tool(of entry: Entry, path: String) -> String? {
        guard case .mapping(let members) = entry.content else { return nil }
        func known(_ names: [String]) -> Int {
            members.count { names.contains($0.key) }
        }
        let recipe = known(RecipeKeys.all.map(\.name))
        let accelerate = known(AccelerateKeys.all.flatMap(\.names))
        let deepSpeed = known(DeepSpeedKeys.all.flatMap(\.names))
        if accelerate > max(recipe, deepSpeed) { return AccelerateTranslation.tool }
        if deepSpeed > recipe || (path.hasSuffix(".json") && deepSpeed == recipe) {
            return DeepSpeedTranslation.tool
        }
        return nil
    }
}

/// One setting of a recipe that another tool's file gives.
public struct ImportedSetting: Sendable, Hashable {
    public let key: String
    public let value: JSON
    public let origin: Origin
}

extension ResolvedRecipe {
    /// The top-level settings that somebody wrote, in the order of the table.
    var givenSettings: [ImportedSetting] {
        RecipeKeys.all.compactMap { key in
            let own = origins[key.name]
            let inner = origins.keys.filter { $0.hasPrefix(key.name + ".") }.sorted().first
            guard let origin = own ?? inner.flatMap({ origins[$0] }) else { return nil }
            return ImportedSetting(key: key.name, value: key.json(recipe), origin: origin)
        }
    }
}
