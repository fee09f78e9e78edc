import ApusBase

/// A key of another tool's configuration: its type and default there, and what becomes of it here.
struct ImportKey: Sendable {
    enum Fate: Sendable {
        /// Becomes these settings of the recipe.
        case becomes(String)
        /// Understood, and without effect here, for this reason.
        case inert(String)
        /// Asks for something that Apus does not do, unless it has one of these values.
        case refused(unless: [String], remedy: String)
        /// A mapping with keys of its own.
        case block([ImportKey])
        /// A block of features that Apus does not have: accepted where it is switched off.
        case absent(remedy: String)
    }

    let name: String
    /// Older names, and names without a prefix, that mean the same key.
    let aliases: [String]
    /// What the other tool takes when the key is not there, as its file would write it.
    let standard: String
    let fate: Fate
    /// Whether "auto" stands for the value that the rest of the configuration gives.
    let allowsAuto: Bool
    let read: @Sendable (Entry, inout ReadingState) -> JSON?

    init<Value>(
        _ name: String, _ kind: ValueKind<Value>, _ standard: String, _ fate: Fate,
        aliases: [String] = [], allowsAuto: Bool = true
    ) {
        self.name = name
        self.aliases = aliases
        self.standard = standard
        self.fate = fate
        self.allowsAuto = allowsAuto
        read = { entry, state in kind.parse(entry, &state).map(kind.json) }
    }

    /// A block of keys.
    init(_ name: String, aliases: [String] = [], _ keys: [ImportKey]) {
        self.init(name, .anything, "{}", .block(keys), aliases: aliases)
    }

    /// Features that Apus does not have.
    init(absent name: String, remedy: String) {
        self.init(name, .anything, "off", .absent(remedy: remedy))
    }

    var names: [String] { [name] + aliases }
}

extension ValueKind where Value == JSON {
    /// A value whose form does not matter since nothing is done with it.
    static var anything: ValueKind {
        ValueKind("a value") { entry, state in
            state.note(entry.origin)
            return .string(entry.shown)
        } json: {
            $0
        }
    }
}

extension ValueKind where Value == String {
    /// One of a few words, whatever their case.
    static func word(_ words: [String]) -> ValueKind {
        let allowed = "one of \(words.joined(separator: ", "))"
        return .scalar(allowed) { scalar in
            words.first { $0.lowercased() == scalar.text.lowercased() }
        } json: {
            .string($0)
        }
    }

    static func word(_ words: String...) -> ValueKind { .word(words) }
}
