internal import ApusBase

extension TemplateInterpreter {
    /// Filters that make a string of whatever they are given.
    mutating func applyToText(
        _ name: String, _ value: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        let subject = try printed(value, line: line)
        try budget.charge(subject.count, line: line)
        switch name {
        case "string", "safe": return subject
        case "trim": return try stripped(subject, arguments, left: true, right: true, line: line)
        case "upper", "lower", "capitalize": return TextCase.apply(name, to: subject)
        case "title": return TextCase.titleWords(subject)
        case "replace": return try replace(in: subject, arguments, line: line)
        case "indent": return try indent(subject, arguments, line: line)
        case "center":
            let width = arguments.value(0, "width")?.integer ?? 80
            return try padded(subject, width: width, left: true, right: true, line: line)
        case "escape", "e": return escapeHTML(subject)
        case "format":
            return try formatted(subject, .tuple(TemplateList(arguments.positional)), line: line)
        case "pprint":
            var glyphs: [TemplateText.Glyph] = []
            try represent(value, into: &glyphs, line: line)
            return TemplateText(glyphs: glyphs)
        case "wordcount":
            let words = TextSplitting.words(subject, limit: nil)
            return TemplateText(String(words.count))
        default:
            throw fault(line, "there is no filter named '\(name)'")
        }
    }

    /// Python's `strip`, `lstrip` and `rstrip` with their optional set of characters.
    mutating func stripped(
        _ text: TemplateText, _ arguments: Arguments, left: Bool, right: Bool, line: Int
    ) throws(TemplateError) -> TemplateText {
        guard let value = arguments.value(0, "chars") else {
            return text.trimmed(left: left, right: right, where: TemplateText.isSpace)
        }
        if case .none = value {
            return text.trimmed(left: left, right: right, where: TemplateText.isSpace)
        }
        guard let characters = value.text else {
            throw fault(line, "what to strip should be a string, not a \(value.typeName)")
        }
        try budget.charge(characters.count, line: line)
        let set = Set(characters.scalars)
        return text.trimmed(left: left, right: right) { set.contains($0) }
    }

    mutating func replace(
        in text: TemplateText, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        let old = try self.text(arguments, 0, "old", line: line)
        let new = try self.text(arguments, 1, "new", line: line)
        var limit = arguments.value(2, "count")?.integer ?? -1
        try budget.charge(product: text.count, old.count, line: line)
        var result = TemplateText()
        var index = 0
        while limit != 0, let match = text.firstIndex(of: old, from: index) {
            result.glyphs += text.glyphs[index..<match]
            result.glyphs += new.glyphs
            try budget.charge(new.count, line: line)
            limit -= limit > 0 ? 1 : 0
            index = match + old.count
            if old.isEmpty {
                guard index < text.count else { return result }
                result.glyphs.append(text.glyphs[index])
                index += 1
            }
        }
        result.glyphs += text.glyphs[index...]
        return result
    }

    private mutating func indent(
        _ text: TemplateText, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        var width = TemplateText("    ")
        if let value = arguments.value(0, "width") {
            if let count = value.integer {
                width = try repeated(TemplateText(" "), count, line: line)
            } else if let given = value.text {
                width = given
            }
        }
        let indentsFirst = arguments.value(1, "first")?.isTrue ?? false
        let indentsBlank = arguments.value(2, "blank")?.isTrue ?? false
        var result = indentsFirst ? width : TemplateText()
        let lines = TextSplitting.lines(text + TemplateText("\n"), keepsEnds: false)
        for (index, current) in lines.enumerated() {
            if index > 0 {
                result.glyphs += TemplateText("\n").glyphs
                if indentsBlank || !current.isEmpty { result.glyphs += width.glyphs }
            }
            result.glyphs += current.glyphs
            try budget.charge(width.count + current.count, line: line)
        }
        return result
    }

    mutating func padded(
        _ text: TemplateText, width: Int, left: Bool, right: Bool,
        with fill: TemplateText = TemplateText(" "), line: Int
    ) throws(TemplateError) -> TemplateText {
        guard width > text.count else { return text }
        let total = width - text.count
        // Python's `center` puts the odd blank on the left only when the width is odd.
        let half = total / 2 + (total & width & 1)
        let before = left ? (right ? half : total) : 0
        let start = try repeated(fill, before, line: line)
        return start + text + (try repeated(fill, total - before, line: line))
    }

    private func escapeHTML(_ text: TemplateText) -> TemplateText {
        text.mapScalars { scalar, _ in
            switch scalar {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "\"": "&#34;"
            case "'": "&#39;"
            default: String(scalar)
            }
        }
    }

    /// Python's `format % values` for `%s`, `%r`, `%d`, `%f` and `%%`.
    mutating func formatted(
        _ format: TemplateText, _ values: TemplateValue, line: Int
    ) throws(TemplateError) -> TemplateText {
        var rest: [TemplateValue] = [values]
        if case .tuple(let list) = values { rest = list.values }
        rest.reverse()
        var result = TemplateText()
        var index = 0
        while index < format.count {
            let glyph = format.glyphs[index]
            index += 1
            guard glyph.scalar == 0x25 else {
                result.glyphs.append(glyph)
                continue
            }
            guard index < format.count else { throw fault(line, "the format ends after %") }
            let kind = format.glyphs[index].scalar
            index += 1
            if kind == 0x25 {
                result.glyphs.append(glyph)
                continue
            }
            guard let value = rest.popLast() else {
                throw fault(line, "too few values for the format")
            }
            try represent(value, as: kind, into: &result.glyphs, line: line)
        }
        guard rest.isEmpty else { throw fault(line, "too many values for the format") }
        return result
    }

    private mutating func represent(
        _ value: TemplateValue, as kind: UInt32, into glyphs: inout [TemplateText.Glyph], line: Int
    ) throws(TemplateError) {
        switch (kind, value.number) {
        case (0x73, _):
            glyphs += try printed(value, line: line).glyphs
        case (0x72, _):
            try represent(value, into: &glyphs, line: line)
        case (0x64, let number?), (0x69, let number?):
            let whole = value.integer ?? Int(exactly: number.rounded(.towardZero))
            guard let whole else { throw fault(line, "the number is too large for %d") }
            glyphs += TemplateText(String(whole)).glyphs
        case (0x66, let number?):
            glyphs += TemplateText(number.fixed(6)).glyphs
        default:
            let letter = TemplateText(glyphs: [.init(scalar: kind, origin: .template)]).string
            throw fault(line, "%\(letter) cannot show a \(value.typeName) here")
        }
    }
}

/// Changes of case, as Python makes them.
enum TextCase {
    static func apply(_ name: String, to text: TemplateText) -> TemplateText {
        text.mapScalars { scalar, index in
            switch name {
            case "upper": scalar.properties.uppercaseMapping
            case "capitalize" where index == 0: scalar.properties.titlecaseMapping
            case "swapcase":
                scalar.properties.isUppercase
                    ? scalar.properties.lowercaseMapping
                    : scalar.properties.isLowercase
                        ? scalar.properties.uppercaseMapping : String(scalar)
            default: scalar.properties.lowercaseMapping
            }
        }
    }

    /// Python's `str.title`: a capital after everything that is no letter.
    static func title(_ text: TemplateText) -> TemplateText {
        var followsLetter = false
        return text.mapScalars { scalar, _ in
            defer { followsLetter = scalar.properties.isCased }
            return followsLetter
                ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
        }
    }

    /// The filter `title`: a capital after white space, hyphens and opening brackets.
    static func titleWords(_ text: TemplateText) -> TemplateText {
        let breaks: Set<UInt32> = [0x2D, 0x28, 0x7B, 0x5B, 0x3C]
        var startsWord = true
        return text.mapScalars { scalar, _ in
            defer {
                startsWord = TemplateText.isSpace(scalar.value) || breaks.contains(scalar.value)
            }
            return startsWord
                ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
        }
    }
}
