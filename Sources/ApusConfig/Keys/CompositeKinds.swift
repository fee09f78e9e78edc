import ApusBase

extension ValueKind {
    /// A value that may be left out.
    static func optional<Wrapped>(_ kind: ValueKind<Wrapped>) -> ValueKind where Value == Wrapped? {
        var result = ValueKind(kind.allowed) { entry, state in
            kind.parse(entry, &state).map { .some($0) }
        } json: { value in
            value.map(kind.json) ?? .null
        }
        result.nested = kind.nested
        result.isList = kind.isList
        return result
    }

    static func list<Element>(of kind: ValueKind<Element>) -> ValueKind where Value == [Element] {
        let allowed = "a list, each element \(kind.allowed)"
        var result = ValueKind(allowed) { entry, state in
            if entry.isNull { return nil }
            guard case .list(let entries) = entry.content else {
                state.reject(entry, allowed: allowed)
                return nil
            }
            state.note(entry.origin)
            return entries.enumerated().compactMap { index, element in
                state.at(String(index)) { state in
                    if element.isNull { state.reject(element, allowed: kind.allowed) }
                    return kind.parse(element, &state)
                }
            }
        } json: { values in
            .array(values.map(kind.json))
        }
        result.nested = kind.nested
        result.isList = true
        return result
    }

    /// A mapping with names that are not known beforehand.
    static func map<Element>(of kind: ValueKind<Element>) -> ValueKind
    where Value == [String: Element] {
        let allowed = "a mapping, each value \(kind.allowed)"
        return ValueKind(allowed) { entry, state in
            if entry.isNull { return nil }
            guard case .mapping(let members) = entry.content else {
                state.reject(entry, allowed: allowed)
                return nil
            }
            state.note(entry.origin)
            var result: [String: Element] = [:]
            for member in members {
                result[member.key] = state.at(member.key) { kind.parse(member.value, &$0) }
            }
            return result
        } json: { values in
            var object = JSONObject()
            for key in values.keys.sorted() { object[key] = values[key].map(kind.json) }
            return .object(object)
        }
    }

    /// A nested mapping with keys of its own; keys that are left out keep the values of `standard`.
    static func table(
        _ keys: [Key<Value>], standard: Value, foreign: ForeignKeys = .none
    ) -> ValueKind {
        let names = keys.map(\.name).joined(separator: ", ")
        let allowed = "a mapping with the keys \(names)"
        var result = ValueKind(allowed) { entry, state in
            if entry.isNull { return nil }
            guard case .mapping(let members) = entry.content else {
                state.reject(entry, allowed: allowed)
                return nil
            }
            state.note(entry.origin)
            var value = standard
            read(members, keys, foreign, into: &value, &state, at: entry.origin)
            return value
        } json: { value in
            encode(value, keys)
        }
        result.nested = keys.flatMap { $0.descriptions(default: standard) }
        return result
    }
}

/// The members that have a value, in the order of the table.
func encode<Root>(_ root: Root, _ keys: [Key<Root>]) -> JSON {
    var object = JSONObject()
    for key in keys { object[key.name] = key.json(root) }
    return .object(object)
}

/// Reads the members of one mapping: known keys by their kind, all others reported.
func read<Root>(
    _ members: [Entry.Member], _ keys: [Key<Root>], _ foreign: ForeignKeys, into root: inout Root,
    _ state: inout ReadingState, at origin: Origin
) {
    var isGiven: Set<String> = []
    for member in members {
        guard let key = keys.first(where: { $0.name == member.key }) else {
            reportUnknown(member, keys.map(\.name), foreign, &state)
            continue
        }
        if !member.value.isNull { isGiven.insert(key.name) }
        state.at(key.name) { state in key.read(member.value, &root, &state) }
    }
    for key in keys where key.isRequired && !isGiven.contains(key.name) {
        state.at(key.name) { state in
            let message = "'\(state.dottedPath)' is missing"
            state.report(origin, message, hint: "\(key.name): \(key.allowed). \(key.meaning)")
        }
    }
}

private func reportUnknown(
    _ member: Entry.Member, _ names: [String], _ foreign: ForeignKeys, _ state: inout ReadingState
) {
    if let known = foreign[member.key] {
        if known.isOff(member.value) {
            state.noteInactive(member.key)
            return
        }
        let message = "'\(member.key)' is known to axolotl, not supported by Apus yet"
        state.at(member.key) { $0.report(member.keyOrigin, message, hint: known.advice) }
        return
    }
    let place = state.dottedPath.isEmpty ? "" : " in '\(state.dottedPath)'"
    let near = nearestName(to: member.key, among: names)
    let list = names.count <= 16 ? "allowed here: \(names.joined(separator: ", "))" : nil
    let general = "'apus config init' writes a recipe with the keys there are"
    let hint = near.map { "did you mean '\($0)'?" } ?? list ?? general
    state.at(member.key) {
        $0.report(member.keyOrigin, "unknown key '\(member.key)'\(place)", hint: hint)
    }
}
