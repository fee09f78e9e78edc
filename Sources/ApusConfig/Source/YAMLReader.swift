import Yams

/// Turns YAML text into entries that know their line and column.
enum YAMLReader {
    /// A recipe is small; larger files are something else, and aliases could blow a small one up.
    static let maximumByteCount = 1 << 20
    static let maximumEntryCount = 100_000

    /// The document of a file. An empty file is an empty mapping.
    static func read(_ text: String, path: String) throws(ConfigError) -> Entry {
        try read(text) { mark in
            Origin(.file(path: path, line: mark?.line ?? 1, column: mark?.column ?? 1))
        }
    }

    /// The value of `--set key=value`, which is YAML too: `[a, b]` is a list.
    static func readValue(_ text: String, origin: Origin) throws(ConfigError) -> Entry {
        if text.isEmpty {
            return Entry(content: .scalar(.init(text: "", isQuoted: false)), origin: origin)
        }
        return try read(text) { _ in origin }
    }

    private static func read(
        _ text: String, origin: @escaping (Mark?) -> Origin
    ) throws(ConfigError) -> Entry {
        guard text.utf8.count <= maximumByteCount else {
            throw ConfigError([Problem(origin(nil), "larger than 1 MiB: this is no configuration")])
        }
        var converter = NodeConverter(origin: origin)
        do {
            guard let root = try Parser(yaml: text).singleRoot() else {
                return Entry(content: .mapping([]), origin: origin(nil))
            }
            return try converter.entry(root)
        } catch let error as ConfigError {
            throw error
        } catch let error as YamlError {
            throw ConfigError([problem(error, text, origin)])
        } catch {
            throw ConfigError([Problem(origin(nil), "not readable as YAML: \(error)")])
        }
    }

    private static func problem(
        _ error: YamlError, _ text: String, _ origin: (Mark?) -> Origin
    ) -> Problem {
        switch error {
        case .scanner(let context, let problem, let mark, _),
            .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let detail = context.map { " (\($0.text) in line \($0.mark.line))" } ?? ""
            return Problem(origin(mark), "not valid YAML: \(problem)\(detail)", hint: hint(problem))
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "'\($0)'" }.joined(separator: ", ")
            let lines = keys.flatMap { linesWithKey($0, in: text) }.map(String.init)
            let places = lines.isEmpty ? "" : " (lines \(lines.joined(separator: ", ")))"
            return Problem(
                origin(context.mark), "key given more than once: \(names)\(places)",
                hint: "keep one of them")
        case .reader(let problem, let offset, _, _):
            let place = offset.map { " at character \($0)" } ?? ""
            return Problem(origin(nil), "not readable as YAML: \(problem)\(place)")
        default:
            return Problem(origin(nil), "not readable as YAML: \(error)")
        }
    }

    private static func hint(_ problem: String) -> String? {
        if problem.contains("cannot start any token") {
            return
                "indent with spaces, not tabs, and quote text that begins with a special character"
        }
        if problem.contains("found another document") {
            return "a recipe is one document: remove the line '---' in its middle"
        }
        if problem.contains("mapping values are not allowed") {
            return "quote text that contains ': '"
        }
        return nil
    }

    private static func linesWithKey(_ key: String, in text: String) -> [Int] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.enumerated().compactMap { index, line in
            let rest = line.drop { $0 == " " || $0 == "-" }
            return rest.hasPrefix(key + ":") ? index + 1 : nil
        }
    }
}

/// Walks the nodes that Yams made and counts them, since aliases can stand for many.
private struct NodeConverter {
    let origin: (Mark?) -> Origin
    var count = 0

    init(origin: @escaping (Mark?) -> Origin) { self.origin = origin }

    mutating func entry(_ node: Node) throws(ConfigError) -> Entry {
        count += 1
        guard count <= YAMLReader.maximumEntryCount else {
            throw ConfigError([Problem(origin(node.mark), "aliases expand to too many values")])
        }
        let origin = origin(node.mark)
        switch node {
        case .scalar(let scalar):
            let isQuoted = scalar.style != .plain && scalar.style != .any
            return Entry(
                content: .scalar(.init(text: scalar.string, isQuoted: isQuoted)), origin: origin)
        case .sequence(let sequence):
            var entries: [Entry] = []
            for element in sequence { entries.append(try entry(element)) }
            return Entry(content: .list(entries), origin: origin)
        case .mapping(let mapping):
            var members: [Entry.Member] = []
            for (key, value) in mapping { members.append(try member(key, value)) }
            return Entry(content: .mapping(members), origin: origin)
        case .alias(let alias):
            let name = alias.anchor.rawValue
            throw ConfigError([Problem(origin, "alias '*\(name)' without its anchor '&\(name)'")])
        }
    }

    private mutating func member(_ key: Node, _ value: Node) throws(ConfigError) -> Entry.Member {
        guard case .scalar(let scalar) = key else {
            throw ConfigError([
                Problem(origin(key.mark), "a key must be a word, not a list or mapping")
            ])
        }
        return Entry.Member(
            key: scalar.string, keyOrigin: origin(key.mark), value: try entry(value))
    }
}
