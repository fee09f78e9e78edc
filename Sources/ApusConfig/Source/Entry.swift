import ApusBase

/// One value as somebody wrote it, not yet typed, with where it stands.
struct Entry: Sendable, Hashable {
    indirect enum Content: Sendable, Hashable {
        case scalar(Scalar)
        case list([Entry])
        case mapping([Member])
    }

    /// The characters of a scalar. Quoted ones are always strings; plain ones may be anything.
    struct Scalar: Sendable, Hashable {
        var text: String
        var isQuoted: Bool
    }

    struct Member: Sendable, Hashable {
        var key: String
        var keyOrigin: Origin
        var value: Entry
    }

    var content: Content
    var origin: Origin

    /// Nothing was written after the colon, or `null` or `~`: as if the key were not there.
    var isNull: Bool {
        guard case .scalar(let scalar) = content, !scalar.isQuoted else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.text)
    }

    /// The value as an error message quotes it.
    var shown: String {
        switch content {
        case .scalar(let scalar): isNull ? "nothing" : "'\(scalar.text)'"
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }
}

extension Entry {
    /// The entry for a value of a resolved configuration; `origin` gives the origin of a dotted
    /// path.
    init(_ json: JSON, path: String, origin: (String) -> Origin) {
        let here = origin(path)
        func deeper(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
        switch json {
        case .string(let text):
            self.init(content: .scalar(.init(text: text, isQuoted: true)), origin: here)
        case .array(let elements):
            let entries = elements.enumerated().map { index, element in
                Entry(element, path: deeper(String(index)), origin: origin)
            }
            self.init(content: .list(entries), origin: here)
        case .object(let object):
            let members = object.members.map { key, value in
                let entry = Entry(value, path: deeper(key), origin: origin)
                return Member(key: key, keyOrigin: entry.origin, value: entry)
            }
            self.init(content: .mapping(members), origin: here)
        case .null, .bool, .integer, .number:
            self.init(content: .scalar(.init(text: json.text(), isQuoted: false)), origin: here)
        }
    }
}
