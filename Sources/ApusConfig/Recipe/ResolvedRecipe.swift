/// A complete recipe: every value typed, checked and filled in, with where each came from.
public struct ResolvedRecipe: Sendable {
    public internal(set) var recipe: Recipe
    /// The origin of every value that somebody wrote or that follows from others, by dotted path.
    public internal(set) var origins: [String: Origin]
    /// The recipe file, as the user named it.
    public let path: String
    /// Keys of other tools that are written down but off.
    public let inactiveKeys: [String]
    /// What of the recipe's DeepSpeed file has no effect here, and why.
    public internal(set) var importNotes: [ImportNote] = []

    /// Reads a recipe file and what the command line changes in it.
    ///
    /// - Throws: `ConfigError` with every problem found, `FileError` for an unreadable file.
    public static func load(
        path: String, overrides: [Override] = [], machine: MachineFacts
    ) throws -> ResolvedRecipe {
        let text = try readText(path)
        return try parse(text, path: path, overrides: overrides, machine: machine)
    }

    /// The same for the text of a recipe; `path` is what messages call it.
    public static func parse(
        _ text: String, path: String, overrides: [Override] = [], machine: MachineFacts
    ) throws(ConfigError) -> ResolvedRecipe {
        var entry = try YAMLReader.read(text, path: path)
        guard case .mapping = entry.content else {
            throw ConfigError([
                Problem(entry.origin, "a recipe is a mapping of keys to values, not \(entry.shown)")
            ])
        }
        for override in overrides { entry = try entry.applying(override) }
        var deepSpeed = try deepSpeedFile(of: entry, recipePath: path, machine: machine)
        if let merged = deepSpeed?.merged(into: entry) { entry = merged }
        var (resolved, problems) = read(entry, path: path)
        resolved.resolvePaths(&problems)
        resolved.fillIn(machine)
        if let deepSpeed { resolved.note(deepSpeed, &problems) }
        problems += resolved.conflicts()
        guard problems.isEmpty else { throw ConfigError(problems.sorted { $0.isBefore($1) }) }
        return resolved
    }

    /// What the file under the key `deepspeed` says; nil where there is none.
    static func deepSpeedFile(
        of entry: Entry, recipePath: String, machine: MachineFacts
    ) throws(ConfigError) -> Translation? {
        guard let value = entry.value(at: ["deepspeed"]), !value.isNull else { return nil }
        let written = value.written
        let beside = besideRecipe(written, recipePath)
        let path = fileExists(written) ? written : beside ?? written
        do {
            let file = try YAMLReader.read(readText(path), path: path)
            return DeepSpeedTranslation.translate(file, recipe: entry, machine: machine)
        } catch let error as ConfigError {
            throw error
        } catch {
            throw ConfigError([Problem(value.origin, path: "deepspeed", "'deepspeed': \(error)")])
        }
    }

    /// Keeps what the file under `deepspeed` left open, what it said in vain, and what is wrong.
    private mutating func note(_ deepSpeed: Translation, _ problems: inout [Problem]) {
        problems += deepSpeed.problems
        importNotes = deepSpeed.document.notes
        for (key, origin) in deepSpeed.automatic {
            let found = self.origin(of: key).text
            origins[key] = Origin(.derived("auto (\(origin.text)): \(found)"))
        }
    }

    static func read(_ entry: Entry, path: String) -> (ResolvedRecipe, [Problem]) {
        var recipe = Recipe()
        var state = ReadingState()
        if case .mapping(let members) = entry.content {
            ApusConfig.read(
                members, RecipeKeys.all, .topLevel, into: &recipe, &state,
                at: Origin(.file(path: path, line: 1, column: 1)))
        }
        let resolved = ResolvedRecipe(
            recipe: recipe, origins: state.origins, path: path, inactiveKeys: state.inactive)
        return (resolved, state.problems)
    }

    /// Where the value at a dotted path comes from.
    public func origin(of path: String) -> Origin { origins[path] ?? .standard }
}

extension Problem {
    /// In the order of the file; what the command line did comes last.
    fileprivate func isBefore(_ other: Problem) -> Bool { place < other.place }

    private var place: (Int, Int) {
        if case .file(_, let line, let column) = origin.place { return (line, column) }
        return (.max, 0)
    }
}

/// What filling in a recipe needs to know of the machine.
public struct MachineFacts: Sendable, Hashable {
    /// Cores that this process may use.
    public let cores: Int
    /// What computes bf16 natively, such as "avx512_bf16"; nil when nothing does.
    public let bfloat16: String?

    public init(cores: Int, bfloat16: String?) {
        self.cores = cores
        self.bfloat16 = bfloat16
    }
}
