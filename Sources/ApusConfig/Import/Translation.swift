import ApusBase

/// Another tool's configuration on its way into a recipe: what it sets, what of it has no effect
/// here, and what is wrong with it.
struct Translation {
    private(set) var document: ImportedDocument
    /// What messages call the other tool.
    let tool: String
    /// Settings of the recipe, with their origins in the other file.
    private(set) var settings: [Setting] = []
    /// Recipe keys that the other file leaves to the recipe by writing "auto".
    private(set) var automatic: [(key: String, origin: Origin)] = []
    private(set) var problems: [Problem]

    struct Setting {
        /// Dotted: `loss_scaling.hysteresis`.
        let key: String
        let value: JSON
        let origin: Origin
    }

    init(_ document: ImportedDocument, tool: String, problems: [Problem]) {
        self.document = document
        self.tool = tool
        self.problems = problems
    }

    /// The other file's value at `path`, under the recipe's name for it.
    mutating func set(_ key: String, from path: String) {
        if let value = document[path] { set(key, value.json, value.origin) }
        if let origin = document.automatic[path] { leave(key, origin) }
    }

    /// Leaves a setting to the recipe: the other file says "auto".
    mutating func leave(_ key: String, _ origin: Origin) { automatic.append((key, origin)) }

    /// Says of a value that it changes nothing, or what it means.
    mutating func note(_ path: String, _ reason: String) { document.note(path, reason) }

    mutating func set(_ key: String, _ value: JSON, _ origin: Origin) {
        settings.append(Setting(key: key, value: value, origin: origin))
    }

    mutating func report(_ path: String, _ message: String, hint: String) {
        let origin = document[path]?.origin ?? .standard
        problems.append(Problem(origin, path: path, message, hint: hint))
    }
}

extension Translation {
    /// The recipe with this file's settings under it. What both give must be the same.
    mutating func merged(into recipe: Entry) -> Entry {
        var recipe = recipe
        for setting in settings {
            let value = Entry(setting.value, path: "") { _ in setting.origin }
            let path = setting.key.split(separator: ".").map(String.init)
            guard let written = recipe.value(at: path[...]), !written.isNull else {
                recipe = recipe.adding(value, at: path[...])
                continue
            }
            // The command line is above both files.
            if case .commandLine = written.origin.place { continue }
            if !Self.mean(written, value, the: setting.key) {
                problems.append(conflict(setting, written))
            }
        }
        return recipe
    }

    private func conflict(_ setting: Setting, _ written: Entry) -> Problem {
        let other = "\(setting.value.plainText) (\(setting.origin.text))"
        let message = "'\(setting.key)' is \(written.written) here and \(other) in the \(tool) file"
        return Problem(
            written.origin, path: setting.key, message,
            hint: "remove one of the two, or write \"auto\" in the \(tool) file")
    }

    /// Whether two entries are the same value of a recipe key, however they are written.
    private static func mean(_ left: Entry, _ right: Entry, the key: String) -> Bool {
        func value(_ entry: Entry) -> JSON? {
            let path = key.split(separator: ".").map(String.init)
            let root = Entry(content: .mapping([]), origin: entry.origin)
            guard case .mapping(let members) = root.adding(entry, at: path[...]).content else {
                return nil
            }
            var recipe = Recipe()
            var state = ReadingState()
            ApusConfig.read(
                members, RecipeKeys.all.filter { $0.name == path[0] }, .none, into: &recipe,
                &state, at: entry.origin)
            if !state.problems.isEmpty { return nil }
            if key == "optimizer" { return .string("\(recipe.optimizer.name.algorithm)") }
            return encode(recipe, RecipeKeys.all)
        }
        // What is wrong in itself is reported when it is read.
        guard let left = value(left), let right = value(right) else { return true }
        return left == right
    }
}

extension Entry {
    /// The value at a path through mappings.
    func value(at path: ArraySlice<String>) -> Entry? {
        guard let name = path.first else { return self }
        guard case .mapping(let members) = content else { return nil }
        return members.first { $0.key == name }?.value.value(at: path.dropFirst())
    }

    /// This mapping with a value at a path, and mappings on the way to it.
    func adding(_ value: Entry, at path: ArraySlice<String>) -> Entry {
        guard let name = path.first else { return value }
        guard case .mapping(var members) = content else { return self }
        if let index = members.firstIndex(where: { $0.key == name }) {
            let inner = members[index].value
            let here = inner.isNull ? Entry(content: .mapping([]), origin: value.origin) : inner
            members[index].value = here.adding(value, at: path.dropFirst())
        } else {
            let empty = Entry(content: .mapping([]), origin: value.origin)
            members.append(
                Member(
                    key: name, keyOrigin: value.origin,
                    value: empty.adding(value, at: path.dropFirst())))
        }
        return Entry(content: .mapping(members), origin: origin)
    }
}
