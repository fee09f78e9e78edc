internal import ApusBase

extension TemplateInterpreter {
    /// Python's `str(value)`.
    mutating func printed(
        _ value: TemplateValue, line: Int
    ) throws(TemplateError) -> TemplateText {
        switch value {
        case .undefined: return TemplateText()
        case .string(let text): return text
        default:
            var glyphs: [TemplateText.Glyph] = []
            try represent(value, into: &glyphs, line: line)
            return TemplateText(glyphs: glyphs)
        }
    }

    /// Python's `repr(value)`, appended.
    mutating func represent(
        _ value: TemplateValue, into glyphs: inout [TemplateText.Glyph], line: Int
    ) throws(TemplateError) {
        try budget.charge(1, line: line)
        switch value {
        case .string(let text):
            try budget.charge(text.count, line: line)
            glyphs += PythonText.quoted(text).glyphs
        case .list(let list):
            try represent(list.values, "[", "]", into: &glyphs, line: line)
        case .tuple(let list):
            let close = list.values.count == 1 ? ",)" : ")"
            try represent(list.values, "(", close, into: &glyphs, line: line)
        case .dict(let dict):
            glyphs += TemplateText("{").glyphs
            for (index, pair) in dict.pairs.enumerated() {
                if index > 0 { glyphs += TemplateText(", ").glyphs }
                try represent(pair.key, into: &glyphs, line: line)
                glyphs += TemplateText(": ").glyphs
                try represent(pair.value, into: &glyphs, line: line)
            }
            glyphs += TemplateText("}").glyphs
        default:
            glyphs += TemplateText(Self.plainText(of: value)).glyphs
        }
    }

    private mutating func represent(
        _ values: [TemplateValue], _ open: String, _ close: String,
        into glyphs: inout [TemplateText.Glyph], line: Int
    ) throws(TemplateError) {
        glyphs += TemplateText(open).glyphs
        for (index, value) in values.enumerated() {
            if index > 0 { glyphs += TemplateText(", ").glyphs }
            try represent(value, into: &glyphs, line: line)
        }
        glyphs += TemplateText(close).glyphs
    }

    private static func plainText(of value: TemplateValue) -> String {
        switch value {
        case .undefined: "Undefined"
        case .none: "None"
        case .bool(let value): value ? "True" : "False"
        case .int(let value): String(value)
        case .float(let value): PythonText.float(value)
        case .macro(let macro): "<Macro '\(macro.definition.name)'>"
        case .namespace: "<Namespace>"
        case .loop(let loop): "<LoopContext \(loop.index + 1)/\(loop.items.values.count)>"
        default: "<\(value.typeName)>"
        }
    }
}

/// How Python writes numbers and strings.
enum PythonText {
    static func float(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        // Swift keeps whole numbers without an exponent up to 2^53; both switch at 1e16 above.
        return value.description
    }

    /// A string in quotes: single ones unless only those occur inside.
    static func quoted(_ text: TemplateText) -> TemplateText {
        let scalars = text.scalars
        let usesDouble = scalars.contains(0x27) && !scalars.contains(0x22)
        let quote = TemplateText(usesDouble ? "\"" : "'")
        let body = text.mapScalars { scalar, _ in
            switch scalar {
            case "\\": "\\\\"
            case "\n": "\\n"
            case "\r": "\\r"
            case "\t": "\\t"
            case "'" where !usesDouble: "\\'"
            default: isPrintable(scalar) ? String(scalar) : escape(scalar)
            }
        }
        return quote + body + quote
    }

    /// Python's `str.isprintable` for one character.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar == " " { return true }
        let hidden: CategorySet = [.other, .separator]
        return !ScalarTable.shared.contains(scalar.value, in: hidden)
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let (prefix, width) =
            scalar.value < 0x100 ? ("\\x", 2) : scalar.value < 0x10000 ? ("\\u", 4) : ("\\U", 8)
        return prefix + hexadecimal(scalar.value, width: width)
    }

    static func hexadecimal(_ value: UInt32, width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
