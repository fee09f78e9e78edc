public import ApusBase

/// The resolved configuration as a file: what a worker is given and what `output_dir` keeps.
extension ResolvedRecipe {
    static let formatVersion = 1

    public var json: JSON {
        var origins = JSONObject()
        for path in self.origins.keys.sorted() { origins[path] = .string(origin(of: path).text) }
        return [
            "format_version": .integer(Self.formatVersion),
            "recipe": .string(path),
            "settings": encode(recipe, RecipeKeys.all),
            "origins": .object(origins),
        ]
    }

    /// Reads a resolved configuration back, with the checks of a recipe.
    public init(json: JSON, path: String) throws(ConfigError) {
        let here = Origin(.recorded(path))
        guard json["format_version"]?.intValue == Self.formatVersion,
            let settings = json["settings"],
            case .object = settings
        else {
            throw ConfigError([
                Problem(
                    here, "no resolved configuration of format version \(Self.formatVersion)",
                    hint: "this file is written by 'apus train' of the same version")
            ])
        }
        let recorded = json["origins"]
        let entry = Entry(settings, path: "") { path in
            (recorded?[path]?.stringValue).map { Origin(.recorded($0)) } ?? .standard
        }
        let recipePath = json["recipe"]?.stringValue ?? path
        let (resolved, problems) = Self.read(entry, path: recipePath)
        let all = problems + resolved.conflicts()
        guard all.isEmpty else { throw ConfigError(all) }
        self = resolved
    }

    /// Reads a resolved configuration from a file.
    public init(resolvedFile path: String) throws {
        let text = try readText(path)
        let json: JSON
        do {
            json = try JSON.parse(text)
        } catch {
            throw ConfigError([Problem(Origin(.recorded(path)), "not valid JSON: \(error)")])
        }
        try self.init(json: json, path: path)
    }
}
