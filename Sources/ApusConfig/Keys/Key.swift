import ApusBase

/// One key of a configuration: its name, type, bounds and meaning, and where in `Root` its value
/// lives.
///
/// The table of keys is the only place that knows them: reading, `explain`, suggestions, the
/// written resolved configuration and the reference page all come from it. Defaults are those of
/// `Root()`.
struct Key<Root: Sendable>: Sendable {
    let name: String
    let meaning: String
    let allowed: String
    let isRequired: Bool
    /// The keys of a nested mapping, or of each mapping in a list.
    let nested: [KeyDescription]
    let isList: Bool
    let read: @Sendable (Entry, inout Root, inout ReadingState) -> Void
    let json: @Sendable (Root) -> JSON

    init<Value>(
        _ name: String, _ location: any WritableKeyPath<Root, Value> & Sendable,
        _ kind: ValueKind<Value>,
        required: Bool = false, _ meaning: String
    ) {
        self.name = name
        self.meaning = meaning
        allowed = kind.allowed
        isRequired = required
        nested = kind.nested
        isList = kind.isList
        json = { root in kind.json(root[keyPath: location]) }
        read = { entry, root, state in
            if let value = kind.parse(entry, &state) { root[keyPath: location] = value }
        }
    }
}

/// A key without its types, for the reference page and `explain`.
public struct KeyDescription: Sendable {
    /// Dotted; `[]` stands for a position in a list: `datasets[].path`.
    public let path: String
    public let meaning: String
    public let allowed: String
    public let isRequired: Bool
    /// The default as a recipe would write it; nil where the key has none.
    public let defaultText: String?
    /// Whether it is a mapping, or a list of mappings, with keys of its own.
    public let isTable: Bool
    public let isList: Bool
}

extension Key {
    /// This key and the keys below it.
    func descriptions(default root: Root) -> [KeyDescription] {
        let value = json(root)
        let description = KeyDescription(
            path: name, meaning: meaning, allowed: allowed, isRequired: isRequired,
            defaultText: isRequired || value.isNull ? nil : value.plainText,
            isTable: !nested.isEmpty, isList: isList)
        let prefix = isList ? "\(name)[]." : "\(name)."
        return [description] + nested.map { $0.below(prefix) }
    }
}

extension KeyDescription {
    fileprivate func below(_ prefix: String) -> KeyDescription {
        KeyDescription(
            path: prefix + path, meaning: meaning, allowed: allowed, isRequired: isRequired,
            defaultText: defaultText, isTable: isTable, isList: isList)
    }
}
