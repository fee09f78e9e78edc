/// A value while a template runs, as Python has it. All but namespaces are immutable, as in the
/// sandbox that `transformers` renders templates in.
enum TemplateValue: Sendable {
    /// A name or member that is not there. Prints as nothing; using it otherwise is an error.
    case undefined(String)
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(TemplateText)
    case list(TemplateList)
    case tuple(TemplateList)
    /// What filters such as `map` give: items that can be gone through, without length or truth.
    case iterator(TemplateList)
    case dict(TemplateDict)
    case namespace(TemplateNamespace)
    case macro(TemplateMacro)
    case function(String)
    /// A method together with the value that it belongs to.
    indirect case method(TemplateValue, String)
    case loop(TemplateLoop)

    static func text(_ string: String) -> TemplateValue { .string(TemplateText(string)) }

    static func items(_ values: [TemplateValue]) -> TemplateValue { .list(TemplateList(values)) }

    static func iterator(over values: [TemplateValue]) -> TemplateValue {
        .iterator(TemplateList(values))
    }

    /// How many levels of containers stand inside each other.
    var depth: Int {
        switch self {
        case .list(let list), .tuple(let list), .iterator(let list): list.depth
        case .dict(let dict): dict.depth
        case .namespace(let namespace): namespace.depth
        case .method(let owner, _): owner.depth
        case .loop(let loop): loop.items.depth + 1
        default: 0
        }
    }

    /// Python's truth.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let list), .tuple(let list): !list.values.isEmpty
        case .dict(let dict): !dict.keys.isEmpty
        case .iterator, .namespace, .macro, .function, .method, .loop: true
        }
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    var text: TemplateText? { if case .string(let text) = self { text } else { nil } }

    /// An integer; booleans count as 0 and 1.
    var integer: Int? {
        switch self {
        case .int(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    var number: Double? {
        if case .float(let value) = self { return value }
        return integer.map { Double($0) }
    }

    /// The name of the Python type, for messages.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int: "int"
        case .float: "float"
        case .string: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .iterator: "generator"
        case .dict: "dict"
        case .namespace: "Namespace"
        case .macro: "Macro"
        case .function: "function"
        case .method: "method"
        case .loop: "LoopContext"
        }
    }
}

/// The values of a list or tuple, with the depth of what they hold: a bound on it keeps hostile
/// nesting from exhausting the stack.
struct TemplateList: Sendable {
    let values: [TemplateValue]
    let depth: Int
    /// Values in it at all levels, of those that a key may have; one that is in it twice counts
    /// twice, so that there may be more than memory could hold.
    let leafCount: Int

    init(_ values: [TemplateValue]) {
        self.values = values
        depth = 1 + (values.map(\.depth).max() ?? 0)
        leafCount = values.reduce(1) { count, value in
            guard case .tuple(let list) = value else { return count + 1 }
            return count > Int.max / 2 - list.leafCount ? Int.max / 2 : count + list.leafCount
        }
    }
}

/// An ordered dictionary.
struct TemplateDict: Sendable {
    private(set) var keys: [TemplateValue] = []
    private(set) var values: [TemplateValue] = []
    private var index: [Key: Int] = [:]
    private(set) var depth = 1
    /// Which message of the conversation this is.
    var messageIndex: Int?

    /// Keys compare as in Python, where 1, 1.0 and True are one.
    enum Key: Hashable {
        case none
        case number(Double)
        case text(TemplateText)
        case tuple([Key])

        init?(_ value: TemplateValue) {
            switch value {
            case .none: self = .none
            case .bool, .int, .float: self = .number(value.number ?? 0)
            case .string(let text): self = .text(text)
            case .tuple(let list):
                // A tuple of tuples of one tuple may have more parts than a key can be made of.
                guard list.leafCount <= 1000 else { return nil }
                let parts = list.values.map { Key($0) }
                guard !parts.contains(where: { $0 == nil }) else { return nil }
                self = .tuple(parts.compactMap { $0 })
            default: return nil
            }
        }
    }

    subscript(key: TemplateValue) -> TemplateValue? {
        Key(key).flatMap { index[$0] }.map { values[$0] }
    }

    subscript(key: String) -> TemplateValue? { self[.text(key)] }

    /// Sets a member; false when the key cannot be one (a list, for example).
    @discardableResult
    mutating func set(_ value: TemplateValue, for key: TemplateValue) -> Bool {
        guard let hashed = Key(key) else { return false }
        if let position = index[hashed] {
            values[position] = value
        } else {
            index[hashed] = keys.count
            keys.append(key)
            values.append(value)
        }
        depth = max(depth, value.depth + 1, key.depth + 1)
        return true
    }

    var pairs: [(key: TemplateValue, value: TemplateValue)] { Array(zip(keys, values)) }
}

/// What `namespace(...)` makes: the one thing a template can change from inside a loop. Used by one
/// rendering, on one thread.
final class TemplateNamespace: @unchecked Sendable {
    var values: [String: TemplateValue] = [:]
    private(set) var depth = 1

    func set(_ name: String, _ value: TemplateValue) {
        values[name] = value
        depth = max(depth, value.depth + 1)
    }
}

/// The `loop` variable. Its state changes with every turn; used by one rendering, on one thread.
final class TemplateLoop: @unchecked Sendable {
    let items: TemplateList
    let level: Int
    /// The loop itself, when it may call itself, and where it stands.
    let recursion: (statement: LoopStatement, scope: TemplateScope)?
    var index = 0

    init(
        items: TemplateList, level: Int, recursion: (LoopStatement, TemplateScope)? = nil
    ) {
        self.items = items
        self.level = level
        self.recursion = recursion.map { (statement: $0.0, scope: $0.1) }
    }
}

/// A macro and the scope in which it was defined.
final class TemplateMacro: @unchecked Sendable {
    let definition: MacroDefinition
    let scope: TemplateScope

    init(_ definition: MacroDefinition, scope: TemplateScope) {
        self.definition = definition
        self.scope = scope
    }
}

/// Variables of one level: the template, a loop's turn, a macro's call. Used by one rendering, on
/// one thread.
final class TemplateScope: @unchecked Sendable {
    var variables: [String: TemplateValue] = [:]
    private let parent: TemplateScope?
    /// Scopes around this one.
    let level: Int

    init(parent: TemplateScope?) {
        self.parent = parent
        level = parent.map { $0.level + 1 } ?? 0
    }

    func value(of name: String) -> TemplateValue? {
        var scope: TemplateScope? = self
        while let current = scope {
            if let value = current.variables[name] { return value }
            scope = current.parent
        }
        return nil
    }
}
