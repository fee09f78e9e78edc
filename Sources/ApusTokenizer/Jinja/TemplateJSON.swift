internal import ApusBase

/// Python's `json.dumps`, as the filter `tojson` of chat templates calls it: no escaping of HTML,
/// keys in their order.
struct TemplateJSON {
    var indent: TemplateText?
    var escapesNonASCII = false
    var sortsKeys = false
    var itemSeparator = TemplateText(", ")
    var keySeparator = TemplateText(": ")
    /// What is longer is not written to its end.
    var characterLimit = Int.max

    /// Appends `value`; returns what went wrong, if something did.
    func write(
        _ value: TemplateValue, into glyphs: inout [TemplateText.Glyph], level: Int = 0
    ) -> String? {
        // A list in a list twice, and that in another twice, and so on, is small and prints huge.
        if glyphs.count > characterLimit { return "the template writes too much JSON" }
        switch value {
        case .none: append("null", to: &glyphs)
        case .bool(let value): append(value ? "true" : "false", to: &glyphs)
        case .int(let value): append(String(value), to: &glyphs)
        case .float(let value): append(Self.float(value), to: &glyphs)
        case .string(let text): glyphs += quoted(text).glyphs
        case .list(let list), .tuple(let list):
            return write(list.values, "[", "]", &glyphs, level) { value, glyphs in
                write(value, into: &glyphs, level: level + 1)
            }
        case .dict(let dict):
            return write(members(of: dict), "{", "}", &glyphs, level) { pair, glyphs in
                guard let key = Self.keyText(pair.key) else {
                    return "a \(pair.key.typeName) cannot be a key in JSON"
                }
                glyphs += quoted(key).glyphs
                glyphs += keySeparator.glyphs
                return write(pair.value, into: &glyphs, level: level + 1)
            }
        case .undefined(let problem): return problem
        default: return "a \(value.typeName) cannot be written as JSON"
        }
        return nil
    }

    private func members(
        of dict: TemplateDict
    ) -> [(key: TemplateValue, value: TemplateValue)] {
        guard sortsKeys else { return dict.pairs }
        return dict.pairs.sorted { left, right in
            (Self.keyText(left.key) ?? TemplateText()) < (Self.keyText(right.key) ?? TemplateText())
        }
    }

    private func write<Element>(
        _ elements: [Element], _ open: String, _ close: String,
        _ glyphs: inout [TemplateText.Glyph], _ level: Int,
        one: (Element, inout [TemplateText.Glyph]) -> String?
    ) -> String? {
        append(open, to: &glyphs)
        for (index, element) in elements.enumerated() {
            if index > 0 { glyphs += itemSeparator.glyphs }
            newLine(level + 1, &glyphs)
            if let problem = one(element, &glyphs) { return problem }
        }
        if !elements.isEmpty { newLine(level, &glyphs) }
        append(close, to: &glyphs)
        return nil
    }

    private func newLine(_ level: Int, _ glyphs: inout [TemplateText.Glyph]) {
        guard let indent else { return }
        append("\n", to: &glyphs)
        for _ in 0..<level { glyphs += indent.glyphs }
    }

    private func append(_ text: String, to glyphs: inout [TemplateText.Glyph]) {
        glyphs += TemplateText(text).glyphs
    }

    private static func float(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return PythonText.float(value)
    }

    private static func keyText(_ key: TemplateValue) -> TemplateText? {
        switch key {
        case .string(let text): text
        case .int(let value): TemplateText(String(value))
        case .float(let value): TemplateText(float(value))
        case .bool(let value): TemplateText(value ? "true" : "false")
        case .none: TemplateText("null")
        default: nil
        }
    }

    private func quoted(_ text: TemplateText) -> TemplateText {
        let quote = TemplateText("\"")
        let body = text.mapScalars { scalar, _ in
            switch scalar {
            case "\"": return "\\\""
            case "\\": return "\\\\"
            case "\n": return "\\n"
            case "\r": return "\\r"
            case "\t": return "\\t"
            case "\u{8}": return "\\b"
            case "\u{C}": return "\\f"
            default:
                let isEscaped = scalar.value < 0x20 || escapesNonASCII && scalar.value > 0x7E
                guard isEscaped else { return String(scalar) }
                return String(scalar).utf16.map {
                    "\\u" + PythonText.hexadecimal(UInt32($0), width: 4)
                }.joined()
            }
        }
        return quote + body + quote
    }
}

extension TemplateValue {
    /// The value of parsed JSON; every string in it comes from `origin`.
    init(_ json: JSON, origin: TextOrigin = .template) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .int(value)
        case .number(let value): self = .float(value)
        case .string(let text): self = .string(TemplateText(text, origin: origin))
        case .array(let elements):
            self = .items(elements.map { TemplateValue($0, origin: origin) })
        case .object(let object):
            var dict = TemplateDict()
            for (key, value) in object.members {
                let keyText = TemplateText(key, origin: origin)
                dict.set(TemplateValue(value, origin: origin), for: .string(keyText))
            }
            self = .dict(dict)
        }
    }
}
