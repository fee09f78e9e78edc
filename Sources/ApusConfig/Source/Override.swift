/// A value given on the command line: `--set datasets.0.path=x` or a flag such as `--ranks 2`.
public struct Override: Sendable, Hashable {
    /// More than any key has; walking along it takes stack.
    static let maximumDepth = 64

    public let path: [String]
    public let value: String
    public let origin: Origin

    /// `--set key=value`; the key is dotted, list positions are numbers, the value is YAML.
    public init(set text: String) throws(ConfigError) {
        let origin = Origin(.commandLine("--set \(text)"))
        guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
            throw ConfigError([
                Problem(
                    origin, "no key and value",
                    hint: "write --set key=value, such as --set num_epochs=2")
            ])
        }
        path = text[..<sign].split(separator: ".", omittingEmptySubsequences: false).map(
            String.init)
        value = String(text[text.index(after: sign)...])
        self.origin = origin
        guard path.count <= Self.maximumDepth else {
            throw ConfigError([Problem(origin, "a key with more than \(Self.maximumDepth) parts")])
        }
        guard !path.contains("") else {
            throw ConfigError([Problem(origin, "an empty name in the key '\(text[..<sign])'")])
        }
    }

    /// A flag of its own: `--ranks 2` sets `ranks`.
    public init(flag: String, _ value: some CustomStringConvertible, sets path: String) {
        self.path = path.split(separator: ".").map(String.init)
        self.value = value.description
        origin = Origin(.commandLine("\(flag) \(value)"))
    }
}

extension Entry {
    /// The tree with one value replaced or added.
    func applying(_ override: Override) throws(ConfigError) -> Entry {
        let value = try YAMLReader.readValue(override.value, origin: override.origin)
        return try replacing(override.path[...], of: override, with: value)
    }

    private func replacing(
        _ path: ArraySlice<String>, of override: Override, with value: Entry
    ) throws(ConfigError) -> Entry {
        guard let name = path.first else { return value }
        var copy = self
        switch content {
        case .mapping(let members):
            copy.content = .mapping(try Self.replacing(name, in: members, path, override, value))
        case .list(var entries):
            guard let index = Int(name), index >= 0, index <= entries.count else {
                throw ConfigError([
                    Problem(
                        override.origin, "'\(name)' is no position in a list of \(entries.count)",
                        hint: "positions count from 0; \(entries.count) appends")
                ])
            }
            let inner = index < entries.count ? entries[index] : Self.empty(override)
            let entry = try inner.replacing(path.dropFirst(), of: override, with: value)
            if index < entries.count { entries[index] = entry } else { entries.append(entry) }
            copy.content = .list(entries)
        case .scalar:
            guard isNull else {
                throw ConfigError([
                    Problem(
                        override.origin, "'\(name)' lies inside \(shown), which is a single value")
                ])
            }
            let empty =
                Int(name) == nil ? Self.empty(override) : Entry(content: .list([]), origin: origin)
            return try empty.replacing(path, of: override, with: value)
        }
        return copy
    }

    private static func replacing(
        _ name: String, in members: [Member], _ path: ArraySlice<String>, _ override: Override,
        _ value: Entry
    ) throws(ConfigError) -> [Member] {
        var members = members
        if let index = members.firstIndex(where: { $0.key == name }) {
            let entry = members[index].value
            members[index].value = try entry.replacing(path.dropFirst(), of: override, with: value)
            if path.count == 1 { members[index].keyOrigin = override.origin }
        } else {
            let isList = path.dropFirst().first.flatMap { Int($0) } != nil
            let inner =
                isList ? Entry(content: .list([]), origin: override.origin) : empty(override)
            let entry = try inner.replacing(path.dropFirst(), of: override, with: value)
            members.append(Member(key: name, keyOrigin: override.origin, value: entry))
        }
        return members
    }

    private static func empty(_ override: Override) -> Entry {
        Entry(content: .mapping([]), origin: override.origin)
    }
}
