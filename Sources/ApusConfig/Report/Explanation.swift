import ApusBase

/// `apus config explain`: every effective value, where it comes from, and what it means.
extension ResolvedRecipe {
    public var explanation: String {
        var lines = Row.lines(settingRows)
        lines += ["", "Derived"]
        let derived = derivedValues
        let nameWidth = Row.width(derived.map(\.name), atMost: 34)
        let valueWidth = Row.width(derived.map(\.value), atMost: 28)
        lines += derived.map { item in
            "\(item.name.padded(nameWidth))  \(item.value.padded(valueWidth))  \(item.formula)"
        }
        if !importNotes.isEmpty {
            lines += ["", "Without effect here"] + Row.lines(importNotes)
        }
        if !inactiveKeys.isEmpty {
            lines += [
                "", "Off, and nothing that Apus has: \(inactiveKeys.joined(separator: ", "))",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var settingRows: [Row] {
        let descriptions = Dictionary(
            uniqueKeysWithValues: RecipeReference.keys.map { ($0.path, $0) })
        var rows: [Row] = []
        flatten(encode(recipe, RecipeKeys.all), "", "", descriptions, into: &rows)
        return rows
    }

    /// Leaves become rows; `pattern` is the path with `[]` for list positions.
    private func flatten(
        _ value: JSON, _ path: String, _ pattern: String, _ descriptions: [String: KeyDescription],
        into rows: inout [Row]
    ) {
        if let description = descriptions[pattern], !description.isTable || value.isEmptyList {
            let text = value.isNull ? "not set" : value.plainText
            rows.append(
                Row(
                    path: path, value: text, origin: origin(of: path).text,
                    meaning: description.meaning))
            return
        }
        switch value {
        case .object(let object):
            for (key, member) in object.members {
                let dot = path.isEmpty ? "" : "."
                flatten(member, path + dot + key, pattern + dot + key, descriptions, into: &rows)
            }
        case .array(let elements):
            for (index, element) in elements.enumerated() {
                flatten(element, "\(path).\(index)", "\(pattern)[]", descriptions, into: &rows)
            }
        default: preconditionFailure("the setting '\(path)' is in no table of keys")
        }
    }
}

extension ForeignConfiguration {
    /// What the file sets, as a recipe would, what it leaves open, and what has no effect.
    public var explanation: String {
        let meanings = Dictionary(
            uniqueKeysWithValues: RecipeReference.keys.map { ($0.path, $0.meaning) })
        let rows = (settings + automatic).map { setting in
            Row(
                path: setting.key, value: setting.value.plainText, origin: setting.origin.text,
                meaning: meanings[setting.key] ?? "")
        }
        var lines = ["\(path) (\(tool)) as settings of a recipe"] + Row.lines(rows)
        if !notes.isEmpty { lines += ["", "Without effect here"] + Row.lines(notes) }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// One line of a table: what, its value, who says so, and why or what for.
private struct Row {
    let path: String
    let value: String
    let origin: String
    let meaning: String

    static func lines(_ rows: [Row]) -> [String] {
        let widths = (
            path: width(rows.map(\.path), atMost: 60), value: width(rows.map(\.value), atMost: 28),
            origin: width(rows.map(\.origin), atMost: 30)
        )
        return rows.map { row in
            let start = row.path.padded(widths.path) + "  " + row.value.padded(widths.value)
            return start + "  " + row.origin.padded(widths.origin) + "  " + row.meaning
        }
    }

    static func lines(_ notes: [ImportNote]) -> [String] {
        lines(
            notes.map {
                Row(path: $0.path, value: $0.value, origin: $0.origin.text, meaning: $0.reason)
            })
    }

    /// The column's width: the longest text that is not beyond a limit.
    static func width(_ texts: [String], atMost limit: Int) -> Int {
        texts.map(\.count).filter { $0 <= limit }.max() ?? 0
    }
}

extension JSON {
    fileprivate var isEmptyList: Bool { self == .array([]) }
}

extension String {
    fileprivate func padded(_ width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
