extension TemplateInterpreter {
    static let filterNames: Set<String> = [
        "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e",
        "escape", "first", "float", "format", "groupby", "indent", "int", "items", "join", "last",
        "length", "list", "lower", "map", "max", "min", "pprint", "reject", "rejectattr", "replace",
        "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "sum",
        "title",
        "tojson", "trim", "unique", "upper", "wordcount",
    ]

    /// `value | name(arguments)`
    mutating func apply(
        _ name: String, to value: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        switch name {
        case "default", "d": return useDefault(value, arguments)
        case "tojson": return .string(try json(value, arguments, line: line))
        case "length", "count": return .int(try length(value, line: line))
        case "items":
            if value.isUndefined { return .iterator(over: []) }
            let pairs = try callMethod("items", of: value, Arguments(), line: line)
            return .iterator(over: try items(of: pairs, line: line))
        case "list":
            let values = try items(of: value, line: line)
            try budget.charge(manySmall: values.count, line: line)
            return .items(values)
        case "first", "last": return try end(of: value, isFirst: name == "first", line: line)
        case "int", "float":
            return try number(value, arguments, isFloat: name == "float", line: line)
        case "abs", "round": return try roundOrAbsolute(name, value, arguments, line: line)
        case "attr":
            return try attribute(
                try text(arguments, 0, "name", line: line).string, of: value, line: line)
        case "reverse":
            if case .string(let text) = value {
                try budget.charge(text.count, line: line)
                return .string(TemplateText(glyphs: text.glyphs.reversed()))
            }
            let values = try items(of: value, line: line)
            try budget.charge(values.count, line: line)
            return .iterator(over: values.reversed())
        case "dictsort", "sort", "unique", "min", "max", "sum", "groupby":
            return try order(name, value, arguments, line: line)
        case "map", "select", "reject", "selectattr", "rejectattr", "join", "batch", "slice":
            return try applyToItems(name, value, arguments, line: line)
        default:
            return .string(try applyToText(name, value, arguments, line: line))
        }
    }

    private func useDefault(_ value: TemplateValue, _ arguments: Arguments) -> TemplateValue {
        let replacesFalse = arguments.value(1, "boolean")?.isTrue ?? false
        let isMissing = value.isUndefined || replacesFalse && !value.isTrue
        return isMissing ? arguments.value(0, "default_value") ?? .text("") : value
    }

    mutating func length(_ value: TemplateValue, line: Int) throws(TemplateError) -> Int {
        switch value {
        case .string(let text): text.count
        case .list(let list), .tuple(let list): list.values.count
        case .dict(let dict): dict.keys.count
        case .undefined: 0
        default: throw fault(line, "a \(value.typeName) has no length")
        }
    }

    private mutating func end(
        of value: TemplateValue, isFirst: Bool, line: Int
    ) throws(TemplateError) -> TemplateValue {
        let values = try items(of: value, line: line)
        return (isFirst ? values.first : values.last)
            ?? .undefined("there is no item in an empty sequence")
    }

    private mutating func json(
        _ value: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        var writer = TemplateJSON()
        writer.escapesNonASCII = arguments.value(0, "ensure_ascii")?.isTrue ?? false
        writer.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
        if let indent = arguments.value(1, "indent") {
            if let width = indent.integer {
                guard width <= 100 else { throw fault(line, "an indent of \(width)") }
                writer.indent = TemplateText(String(repeating: " ", count: max(width, 0)))
            } else {
                writer.indent = indent.text
            }
            if writer.indent != nil { writer.itemSeparator = TemplateText(",") }
        }
        if let separators = arguments.value(2, "separators"), separators.isTrue {
            let parts = try items(of: separators, line: line).compactMap(\.text)
            guard parts.count == 2 else { throw fault(line, "separators are two strings") }
            (writer.itemSeparator, writer.keySeparator) = (parts[0], parts[1])
        }
        writer.characterLimit = budget.charactersLeft
        var glyphs: [TemplateText.Glyph] = []
        if let problem = writer.write(value, into: &glyphs) { throw fault(line, problem) }
        try budget.charge(glyphs.count, line: line)
        return TemplateText(glyphs: glyphs)
    }

    private mutating func number(
        _ value: TemplateValue, _ arguments: Arguments, isFloat: Bool, line: Int
    ) throws(TemplateError) -> TemplateValue {
        let fallback = arguments.value(0, "default") ?? (isFloat ? .float(0) : .int(0))
        if let text = value.text {
            try budget.charge(text.count, line: line)
            let trimmed = text.trimmed(left: true, right: true, where: TemplateText.isSpace).string
            if isFloat { return Double(trimmed).map { .float($0) } ?? fallback }
            if let integer = Int(trimmed) { return .int(integer) }
            guard let number = Double(trimmed) else { return fallback }
            return Int(exactly: number.rounded(.towardZero)).map { .int($0) } ?? fallback
        }
        guard let number = value.number else { return fallback }
        if isFloat { return .float(number) }
        if let integer = value.integer { return .int(integer) }
        return Int(exactly: number.rounded(.towardZero)).map { .int($0) } ?? fallback
    }

    private func roundOrAbsolute(
        _ name: String, _ value: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        guard let number = value.number else {
            throw fault(line, "\(name) needs a number, not a \(value.typeName)")
        }
        if name == "abs" {
            guard let integer = value.integer else { return .float(abs(number)) }
            guard integer != .min else { throw fault(line, "the integer is too large") }
            return .int(abs(integer))
        }
        let digits = min(max(arguments.value(0, "precision")?.integer ?? 0, -300), 300)
        let method = arguments.value(1, "method")?.text?.string ?? "common"
        let rules: [String: FloatingPointRoundingRule] = [
            "common": .toNearestOrEven, "ceil": .up, "floor": .down,
        ]
        guard let rule = rules[method] else { throw fault(line, "round has no method '\(method)'") }
        var scale = 1.0
        for _ in 0..<abs(digits) { scale *= 10 }
        let scaled = digits >= 0 ? number * scale : number / scale
        guard scaled.isFinite else { return .float(number) }
        let rounded = scaled.rounded(rule)
        let result = digits >= 0 ? rounded / scale : rounded * scale
        // Python rounds an integer to an integer, except up or down.
        let isWhole = value.integer != nil && rule == .toNearestOrEven
        return isWhole ? Int(exactly: result).map { .int($0) } ?? value : .float(result)
    }

    /// An argument that must be a string.
    func text(
        _ arguments: Arguments, _ position: Int, _ name: String, line: Int
    ) throws(TemplateError) -> TemplateText {
        guard let value = arguments.value(position, name) else {
            throw fault(line, "the argument \(name) is missing")
        }
        guard let text = value.text else {
            throw fault(line, "the argument \(name) should be a string, not a \(value.typeName)")
        }
        return text
    }
}
