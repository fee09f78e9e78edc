extension TemplateInterpreter {
    static let textMethods: Set<String> = [
        "capitalize", "center", "count", "endswith", "find", "index", "isalnum", "isalpha",
        "isdigit",
        "islower", "isnumeric", "isspace", "isupper", "join", "ljust", "lower", "lstrip",
        "partition",
        "removeprefix", "removesuffix", "replace", "rfind", "rjust", "rpartition", "rsplit",
        "rstrip",
        "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
    ]
    static let dictMethods: Set<String> = ["copy", "get", "items", "keys", "values"]
    static let listMethods: Set<String> = ["copy", "count", "index"]

    mutating func callMethod(
        _ name: String, of owner: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        switch owner {
        case .string(let text):
            return try callTextMethod(name, of: text, arguments, line: line)
        case .dict(let dict):
            return try callDictMethod(name, of: dict, arguments, line: line)
        case .list(let list), .tuple(let list):
            return try callListMethod(name, of: list, owner, arguments, line: line)
        case .loop(let loop):
            guard !arguments.positional.isEmpty else { throw fault(line, "cycle needs values") }
            return arguments.positional[loop.index % arguments.positional.count]
        default:
            throw fault(line, "a \(owner.typeName) has no method '\(name)'")
        }
    }

    private mutating func callDictMethod(
        _ name: String, of dict: TemplateDict, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        try budget.charge(dict.keys.count, line: line)
        switch name {
        case "get":
            guard let key = arguments.value(0, "key") else { throw fault(line, "get needs a key") }
            return dict[key] ?? arguments.value(1, "default") ?? .none
        case "keys": return .items(dict.keys)
        case "values": return .items(dict.values)
        case "items": return .items(dict.pairs.map { .tuple(TemplateList([$0.key, $0.value])) })
        case "copy": return .dict(dict)
        default: throw fault(line, "a dict has no method '\(name)'")
        }
    }

    private mutating func callListMethod(
        _ name: String, of list: TemplateList, _ owner: TemplateValue, _ arguments: Arguments,
        line: Int
    ) throws(TemplateError) -> TemplateValue {
        if name == "copy" { return owner }
        guard let wanted = arguments.positional.first else {
            throw fault(line, "\(name) needs a value")
        }
        var count = 0
        for (index, value) in list.values.enumerated()
        where try areEqual(value, wanted, line: line) {
            if name == "index" { return .int(index) }
            count += 1
        }
        guard name == "count" else { throw fault(line, "the value is not in the list") }
        return .int(count)
    }

    private mutating func callTextMethod(
        _ name: String, of text: TemplateText, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        try budget.charge(text.count, line: line)
        switch name {
        case "strip":
            return .string(try stripped(text, arguments, left: true, right: true, line: line))
        case "lstrip":
            return .string(try stripped(text, arguments, left: true, right: false, line: line))
        case "rstrip":
            return .string(try stripped(text, arguments, left: false, right: true, line: line))
        case "upper", "lower", "capitalize", "swapcase":
            return .string(TextCase.apply(name, to: text))
        case "title": return .string(TextCase.title(text))
        case "replace": return .string(try replace(in: text, arguments, line: line))
        case "startswith", "endswith":
            return .bool(try hasEnd(text, arguments, atStart: name == "startswith", line: line))
        case "removeprefix", "removesuffix":
            return .string(try removeEnd(name, of: text, arguments, line: line))
        case "split", "rsplit", "splitlines", "partition", "rpartition":
            return try split(name, text, arguments, line: line)
        case "join":
            let values = try items(of: arguments.positional.first ?? .none, line: line)
            return .string(try joined(values, with: text, line: line))
        case "find", "rfind", "index", "count":
            return .int(try search(name, in: text, arguments, line: line))
        case "center", "ljust", "rjust", "zfill":
            return .string(try pad(name, text, arguments, line: line))
        default:
            return .bool(TextKind.test(name, text))
        }
    }

    private mutating func hasEnd(
        _ text: TemplateText, _ arguments: Arguments, atStart: Bool, line: Int
    ) throws(TemplateError) -> Bool {
        var candidates = arguments.positional.prefix(1)
        if case .tuple(let list) = candidates.first { candidates = list.values[...] }
        try budget.charge(candidates.count, line: line)
        for value in candidates {
            guard let part = value.text else {
                throw fault(line, "startswith and endswith need a string, not a \(value.typeName)")
            }
            if text.matches(part, at: atStart ? 0 : text.count - part.count) { return true }
        }
        return false
    }

    private func removeEnd(
        _ name: String, of text: TemplateText, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        let part = try self.text(arguments, 0, "prefix", line: line)
        if name == "removeprefix" {
            return text.matches(part, at: 0) ? text.text(part.count..<text.count) : text
        }
        let start = text.count - part.count
        return !part.isEmpty && text.matches(part, at: start) ? text.text(0..<start) : text
    }

    private mutating func joined(
        _ values: [TemplateValue], with separator: TemplateText, line: Int
    ) throws(TemplateError) -> TemplateText {
        var result = TemplateText()
        for (index, value) in values.enumerated() {
            guard let text = value.text else {
                throw fault(line, "join needs strings, and item \(index) is a \(value.typeName)")
            }
            if index > 0 { result.glyphs += separator.glyphs }
            result.glyphs += text.glyphs
            try budget.charge(separator.count + text.count, line: line)
        }
        return result
    }

    private mutating func split(
        _ name: String, _ text: TemplateText, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        if name == "splitlines" {
            let keepsEnds = arguments.value(0, "keepends")?.isTrue ?? false
            return .items(TextSplitting.lines(text, keepsEnds: keepsEnds).map { .string($0) })
        }
        if name.hasSuffix("partition") { return try partition(name, text, arguments, line: line) }
        var separator: TemplateText?
        if let value = arguments.value(0, "sep"), value.isTrue || value.text != nil {
            separator = try self.text(arguments, 0, "sep", line: line)
        }
        if separator?.isEmpty == true { throw fault(line, "an empty separator") }
        let given = arguments.value(1, "maxsplit")?.integer ?? -1
        let limit = given < 0 ? nil : given
        try budget.charge(product: text.count, separator?.count ?? 1, line: line)
        let parts: [TemplateText]
        if name == "rsplit" {
            parts = TextSplitting.partsFromRight(text, separator: separator, limit: limit)
        } else if let separator {
            parts = TextSplitting.parts(text, separator: separator, limit: limit)
        } else {
            parts = TextSplitting.words(text, limit: limit)
        }
        return .items(parts.map { .string($0) })
    }

    private mutating func partition(
        _ name: String, _ text: TemplateText, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        let separator = try self.text(arguments, 0, "sep", line: line)
        guard !separator.isEmpty else { throw fault(line, "an empty separator") }
        try budget.charge(product: text.count, separator.count, line: line)
        let isFirst = name == "partition"
        let match = isFirst ? text.firstIndex(of: separator) : text.lastIndex(of: separator)
        var parts =
            isFirst
            ? [text, TemplateText(), TemplateText()] : [TemplateText(), TemplateText(), text]
        if let match {
            parts = [
                text.text(0..<match), separator, text.text(match + separator.count..<text.count),
            ]
        }
        return .tuple(TemplateList(parts.map { .string($0) }))
    }

    private mutating func search(
        _ name: String, in text: TemplateText, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> Int {
        let part = try self.text(arguments, 0, "sub", line: line)
        try budget.charge(product: text.count, part.count, line: line)
        switch name {
        case "rfind": return text.lastIndex(of: part) ?? -1
        case "count":
            if part.isEmpty { return text.count + 1 }
            return TextSplitting.parts(text, separator: part, limit: nil).count - 1
        default:
            if let index = text.firstIndex(of: part) { return index }
            if name == "index" { throw fault(line, "the text to look for is not there") }
            return -1
        }
    }

    private mutating func pad(
        _ name: String, _ text: TemplateText, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        guard let width = arguments.value(0, "width")?.integer else {
            throw fault(line, "\(name) needs a width")
        }
        if name == "zfill" {
            let hasSign = text.glyphs.first.map { $0.scalar == 0x2B || $0.scalar == 0x2D } ?? false
            let sign = text.text(0..<(hasSign ? 1 : 0))
            let digits = text.text((hasSign ? 1 : 0)..<text.count)
            return sign
                + (try padded(
                    digits, width: width - sign.count, left: true, right: false,
                    with: TemplateText("0"),
                    line: line))
        }
        let fill = arguments.value(1, "fillchar")?.text ?? TemplateText(" ")
        guard fill.count == 1 else { throw fault(line, "the fill should be one character") }
        return try padded(
            text, width: width, left: name != "ljust", right: name != "rjust", with: fill,
            line: line)
    }
}

/// Python's `str.isalpha` and its kin: true when all characters are of the kind, and there is one.
enum TextKind {
    static func test(_ name: String, _ text: TemplateText) -> Bool {
        let table = ScalarTable.shared
        let scalars = text.glyphs.compactMap { Unicode.Scalar($0.scalar) }
        guard !scalars.isEmpty else { return false }
        switch name {
        case "isspace": return scalars.allSatisfy { TemplateText.isSpace($0.value) }
        case "isalpha": return scalars.allSatisfy { table.contains($0.value, in: .letter) }
        case "isdigit": return scalars.allSatisfy(isDigit)
        case "isnumeric": return scalars.allSatisfy { table.isNumeric($0.value) }
        case "isalnum":
            return scalars.allSatisfy {
                table.contains($0.value, in: .letter) || table.isNumeric($0.value)
            }
        case "islower":
            return scalars.contains { $0.properties.isLowercase }
                && !scalars.contains { $0.properties.isUppercase }
        default:
            return scalars.contains { $0.properties.isUppercase }
                && !scalars.contains { $0.properties.isLowercase }
        }
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.numericType {
        case .decimal, .digit: true
        default: false
        }
    }
}
