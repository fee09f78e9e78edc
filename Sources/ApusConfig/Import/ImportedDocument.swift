import ApusBase

/// What a configuration of another tool says, checked against its table of keys.
struct ImportedDocument: Sendable {
    struct Value: Sendable {
        let json: JSON
        let origin: Origin
    }

    /// Given values by dotted path, under the keys' own names.
    private(set) var values: [String: Value] = [:]
    /// Where "auto" was written.
    private(set) var automatic: [String: Origin] = [:]
    private(set) var notes: [ImportNote] = []

    subscript(_ path: String) -> Value? { values[path] }

    func text(_ path: String) -> String? { values[path]?.json.stringValue }
    func number(_ path: String) -> Double? { values[path]?.json.doubleValue }
    func integer(_ path: String) -> Int? { values[path]?.json.intValue }
    func isTrue(_ path: String) -> Bool { values[path]?.json.boolValue ?? false }

    /// Reads `entry` as a mapping with these keys; `tool` is what messages call the other tool.
    init(_ entry: Entry, keys: [ImportKey], tool: String, state: inout ReadingState) {
        guard case .mapping(let members) = entry.content else {
            state.report(
                entry.origin, "a \(tool) configuration is a mapping, not \(entry.shown)")
            return
        }
        read(members, keys, tool, &state)
    }

    /// A note on a value that became something else than its name says.
    mutating func note(_ path: String, _ reason: String) {
        guard let value = values[path] else { return }
        notes.append(
            ImportNote(path: path, value: value.json.plainText, origin: value.origin, reason))
    }

    private mutating func read(
        _ members: [Entry.Member], _ keys: [ImportKey], _ tool: String, _ state: inout ReadingState
    ) {
        var given: [String: String] = [:]
        for member in members {
            guard let key = keys.first(where: { $0.names.contains(member.key) }) else {
                reportUnknown(member, keys, tool, &state)
                continue
            }
            if let other = given[key.name] {
                let message = "'\(member.key)' and '\(other)' are the same key"
                state.report(member.keyOrigin, message, hint: "keep '\(key.name)'")
                continue
            }
            given[key.name] = member.key
            state.at(key.name) { state in read(member, key, tool, &state) }
        }
    }

    private mutating func read(
        _ member: Entry.Member, _ key: ImportKey, _ tool: String, _ state: inout ReadingState
    ) {
        let entry = member.value
        let path = state.dottedPath
        if entry.isNull { return }
        if key.allowsAuto, case .scalar(let scalar) = entry.content, scalar.text == "auto" {
            automatic[path] = entry.origin
            if case .inert(let reason) = key.fate { note(path, entry, reason) }
            return
        }
        switch key.fate {
        case .block(let keys):
            guard case .mapping(let members) = entry.content else {
                let names = keys.map(\.name).joined(separator: ", ")
                return state.reject(entry, allowed: "a mapping with the keys \(names)")
            }
            read(members, keys, tool, &state)
        case .absent(let remedy):
            if entry.isSwitchedOff { return note(path, entry, "off") }
            let message = "'\(path)' asks for something that Apus does not do"
            state.report(member.keyOrigin, message, hint: remedy)
        case .becomes, .inert, .refused:
            keep(entry, member, key, &state)
        }
    }

    private mutating func keep(
        _ entry: Entry, _ member: Entry.Member, _ key: ImportKey, _ state: inout ReadingState
    ) {
        guard let json = key.read(entry, &state) else { return }
        let path = state.dottedPath
        values[path] = Value(json: json, origin: entry.origin)
        let alias = member.key == key.name ? "" : "'\(member.key)' is its other name; "
        switch key.fate {
        case .inert(let reason): note(path, entry, alias + reason)
        case .refused(let harmless, let remedy):
            if harmless.contains(json.plainText) {
                return note(path, entry, alias + "as Apus does")
            }
            let message =
                "'\(path): \(json.plainText)' asks for something that Apus does not do"
            state.report(entry.origin, message, hint: remedy)
        case .becomes, .block, .absent: break
        }
    }

    private mutating func note(_ path: String, _ entry: Entry, _ reason: String) {
        notes.append(ImportNote(path: path, value: entry.written, origin: entry.origin, reason))
    }

    private func reportUnknown(
        _ member: Entry.Member, _ keys: [ImportKey], _ tool: String, _ state: inout ReadingState
    ) {
        let names = keys.flatMap(\.names)
        let place = state.dottedPath.isEmpty ? "" : " in '\(state.dottedPath)'"
        let near = nearestName(to: member.key, among: names).map { "did you mean '\($0)'?" }
        let list = names.count <= 16 ? "allowed here: \(names.joined(separator: ", "))" : nil
        state.at(member.key) {
            let message = "unknown key '\(member.key)'\(place): \(tool) has none of this name"
            $0.report(member.keyOrigin, message, hint: near ?? list)
        }
    }
}

/// A value of another tool's configuration that changes nothing here, and why.
public struct ImportNote: Sendable, Hashable {
    /// The key, dotted: `zero_optimization.overlap_comm`.
    public let path: String
    public let value: String
    public let origin: Origin
    public let reason: String

    init(path: String, value: String, origin: Origin, _ reason: String) {
        self.path = path
        self.value = value
        self.origin = origin
        self.reason = reason
    }
}

extension Entry {
    /// As it would stand in a configuration, on one line.
    var written: String {
        switch content {
        case .scalar(let scalar): isNull ? "null" : scalar.text
        case .list(let entries): "[" + entries.map(\.written).joined(separator: ", ") + "]"
        case .mapping(let members): members.isEmpty ? "{}" : "{...}"
        }
    }

    /// Nothing, false, an empty block, or a block with `enabled: false` (or "auto", which no
    /// configuration turns on).
    fileprivate var isSwitchedOff: Bool {
        switch content {
        case .scalar(let scalar):
            return isNull || ["false", "none", "0"].contains(scalar.text.lowercased())
        case .list(let entries): return entries.isEmpty
        case .mapping(let members):
            guard let enabled = members.first(where: { $0.key == "enabled" }) else {
                return members.isEmpty
            }
            return ["false", "auto"].contains(enabled.value.written.lowercased())
        }
    }
}
