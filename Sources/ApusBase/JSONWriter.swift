extension JSON {
    /// How text is laid out; both forms match Python's `json.dumps`.
    public enum Style: Sendable {
        /// `{"a": 1, "b": [2, 3]}`: one line, as for JSON Lines.
        case line
        /// No space at all, as in the header of a safetensors file.
        case compact
        /// Two spaces an indent, as HuggingFace writes its files.
        case indented
    }

    public func text(_ style: Style = .line) -> String {
        var writer = JSONWriter(style: style)
        writer.write(self, indent: 0)
        return writer.text
    }
}

private struct JSONWriter {
    let style: JSON.Style
    var text = ""

    init(style: JSON.Style) { self.style = style }

    mutating func write(_ value: JSON, indent: Int) {
        switch value {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .number(let value): text += number(value)
        case .string(let value): write(value)
        case .array(let elements):
            write(elements, "[", "]", indent) { writer, element in
                writer.write(element, indent: indent + 1)
            }
        case .object(let object):
            write(object.members, "{", "}", indent) { writer, member in
                writer.write(member.key)
                writer.text += writer.style == .compact ? ":" : ": "
                writer.write(member.value, indent: indent + 1)
            }
        }
    }

    private func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return value.description
    }

    private mutating func write<Element>(
        _ elements: [Element], _ open: String, _ close: String, _ indent: Int,
        one: (inout JSONWriter, Element) -> Void
    ) {
        text += open
        for (index, element) in elements.enumerated() {
            if index > 0 { text += style == .line ? ", " : "," }
            newLine(indent + 1)
            one(&self, element)
        }
        if !elements.isEmpty { newLine(indent) }
        text += close
    }

    private mutating func newLine(_ indent: Int) {
        guard style == .indented else { return }
        text += "\n" + String(repeating: "  ", count: indent)
    }

    private mutating func write(_ string: String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{8}": text += "\\b"
            case "\u{C}": text += "\\f"
            case let control where control.value < 0x20:
                let hex = String(control.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
