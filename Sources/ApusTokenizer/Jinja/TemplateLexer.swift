/// A token of a template.
struct TemplateToken: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case text
        case blockStart, blockEnd
        case outputStart, outputEnd
        case name, string, integer, float, symbol
        case end
    }

    let kind: Kind
    let text: String
    let line: Int
}

/// Cuts a template into tokens, with `trim_blocks` and `lstrip_blocks` on, as `transformers` sets
/// them: the line break after a block tag goes, and so does the indent before one.
struct TemplateLexer {
    private let source: [UInt32]
    private var position = 0
    private var line = 1
    private var tokens: [TemplateToken] = []
    /// The text so far of the literal part between tags.
    private var literal: [UInt32] = []
    private var literalLine = 1
    /// Whether the last tag took a line break with it, so that what follows begins a line.
    private var isLineStart = true

    static func tokens(of source: String) throws(TemplateError) -> [TemplateToken] {
        var lexer = TemplateLexer(source)
        try lexer.scan()
        return lexer.tokens
    }

    /// Line breaks become `\n`, and the last one goes.
    private init(_ source: String) {
        var scalars: [UInt32] = []
        for scalar in source.unicodeScalars {
            if scalar == "\n", scalars.last == 13 { scalars.removeLast() }
            scalars.append(scalar.value)
        }
        scalars = scalars.map { $0 == 13 ? 10 : $0 }
        if scalars.last == 10 { scalars.removeLast() }
        self.source = scalars
    }

    private func at(_ text: String, _ offset: Int = 0) -> Bool {
        var index = position + offset
        for scalar in text.unicodeScalars {
            guard index < source.count, source[index] == scalar.value else { return false }
            index += 1
        }
        return true
    }

    private mutating func advance(_ count: Int) {
        for index in position..<min(position + count, source.count) where source[index] == 10 {
            line += 1
        }
        position = min(position + count, source.count)
    }

    private func fault(_ problem: String) -> TemplateError {
        TemplateError(.syntax, line: line, problem)
    }

    private mutating func append(_ kind: TemplateToken.Kind, _ text: String) {
        tokens.append(TemplateToken(kind: kind, text: text, line: line))
    }
}

// MARK: - Text and tags

extension TemplateLexer {
    private mutating func scan() throws(TemplateError) {
        while position < source.count {
            if at("{#") {
                try comment()
            } else if at("{%") {
                try blockTag()
            } else if at("{{") {
                openTag(isOutput: true)
                append(.outputStart, "{{")
                try expression(closedBy: "}}", .outputEnd)
            } else {
                if literal.isEmpty { literalLine = line }
                literal.append(source[position])
                advance(1)
            }
        }
        flushLiteral()
        append(.end, "")
    }

    private mutating func flushLiteral() {
        if !literal.isEmpty {
            let text = TemplateText(glyphs: literal.map { .init(scalar: $0, origin: .template) })
            tokens.append(TemplateToken(kind: .text, text: text.string, line: literalLine))
        }
        literal = []
    }

    /// Takes the opening of a tag and strips the text before it as its sign says.
    private mutating func openTag(isOutput: Bool) {
        if at("-", 2) {
            while let last = literal.last, TemplateText.isSpace(last) { literal.removeLast() }
            advance(3)
        } else if at("+", 2) {
            advance(3)
        } else {
            if !isOutput { stripIndent() }
            advance(2)
        }
        flushLiteral()
    }

    private mutating func stripIndent() {
        let lineStart = (literal.lastIndex(of: 10) ?? -1) + 1
        guard lineStart > 0 || isLineStart else { return }
        if literal[lineStart...].allSatisfy(TemplateText.isSpace) {
            literal.removeLast(literal.count - lineStart)
        }
    }

    /// Takes the end of a tag, and the white space after it as its sign says.
    private mutating func closeTag(_ closing: String, trimsLine: Bool) {
        let start = position
        if at("-") {
            advance(1 + closing.utf8.count)
            while position < source.count, TemplateText.isSpace(source[position]) { advance(1) }
        } else if at("+") {
            advance(1 + closing.utf8.count)
        } else {
            advance(closing.utf8.count)
            if trimsLine, at("\n") { advance(1) }
        }
        isLineStart = position > start && source[position - 1] == 10
    }

    private func isAtEnd(of closing: String) -> Bool {
        at(closing) || at("-" + closing) || at("+" + closing)
    }

    private mutating func comment() throws(TemplateError) {
        openTag(isOutput: false)
        while position < source.count, !at("#}"), !at("-#}"), !at("+#}") { advance(1) }
        guard position < source.count else { throw fault("a comment is not closed") }
        closeTag("#}", trimsLine: true)
    }

    private mutating func blockTag() throws(TemplateError) {
        openTag(isOutput: false)
        let start = position
        var end = position
        while end < source.count, TemplateText.isSpace(source[end]) { end += 1 }
        if at("raw", end - start), !isWordCharacter(at: end + 3) {
            advance(end + 3 - start)
            try raw()
            return
        }
        append(.blockStart, "{%")
        try expression(closedBy: "%}", .blockEnd)
    }

    /// `{% raw %}...{% endraw %}`: text that is taken as it stands.
    private mutating func raw() throws(TemplateError) {
        skipSpace()
        guard isAtEnd(of: "%}") else { throw fault("the raw tag is not closed") }
        closeTag("%}", trimsLine: false)
        while position < source.count {
            if at("{%"), isEndRaw {
                openTag(isOutput: false)
                skipSpace()
                advance("endraw".utf8.count)
                skipSpace()
                guard isAtEnd(of: "%}") else { throw fault("the endraw tag is not closed") }
                closeTag("%}", trimsLine: true)
                return
            }
            if literal.isEmpty { literalLine = line }
            literal.append(source[position])
            advance(1)
        }
        throw fault("a raw block is not closed")
    }

    private var isEndRaw: Bool {
        var index = position + 2
        if index < source.count, source[index] == 0x2D || source[index] == 0x2B { index += 1 }
        while index < source.count, TemplateText.isSpace(source[index]) { index += 1 }
        return at("endraw", index - position)
    }

    private mutating func skipSpace() {
        while position < source.count, TemplateText.isSpace(source[position]) { advance(1) }
    }

    private func isWordCharacter(at index: Int) -> Bool {
        index < source.count && ScalarTable.shared.isWord(source[index])
    }
}

// MARK: - Inside tags

extension TemplateLexer {
    private static let longSymbols = ["//", "**", "==", "!=", ">=", "<="]
    private static let symbols = Set("+-/*%~[](){}><=.:|,;".unicodeScalars.map(\.value))

    private mutating func expression(
        closedBy closing: String, _ kind: TemplateToken.Kind
    ) throws(TemplateError) {
        var openBrackets: [UInt32] = []
        while true {
            skipSpace()
            guard position < source.count else { throw fault("a tag is not closed") }
            if openBrackets.isEmpty, isAtEnd(of: closing) {
                append(kind, closing)
                closeTag(closing, trimsLine: kind == .blockEnd)
                return
            }
            let scalar = source[position]
            if scalar == 0x22 || scalar == 0x27 {
                try string(quote: scalar)
            } else if scalar &- 0x30 < 10 {
                try number()
            } else if ScalarTable.shared.isWord(scalar) {
                name()
            } else {
                try symbol(&openBrackets)
            }
        }
    }

    private mutating func name() {
        let start = position
        var end = position
        while isWordCharacter(at: end) { end += 1 }
        append(.name, text(start..<end))
        advance(end - start)
    }

    private func text(_ range: Range<Int>) -> String {
        TemplateText(glyphs: source[range].map { .init(scalar: $0, origin: .template) }).string
    }

    private mutating func symbol(_ openBrackets: inout [UInt32]) throws(TemplateError) {
        if let long = Self.longSymbols.first(where: { at($0) }) {
            append(.symbol, long)
            advance(2)
            return
        }
        let scalar = source[position]
        guard Self.symbols.contains(scalar) else {
            throw fault("the character \"\(text(position..<position + 1))\" is not expected here")
        }
        switch scalar {
        case 0x28: openBrackets.append(0x29)
        case 0x5B: openBrackets.append(0x5D)
        case 0x7B: openBrackets.append(0x7D)
        case 0x29, 0x5D, 0x7D:
            guard openBrackets.popLast() == scalar else {
                throw fault("\"\(text(position..<position + 1))\" closes nothing")
            }
        default: break
        }
        append(.symbol, text(position..<position + 1))
        advance(1)
    }

    private func isDigit(at index: Int) -> Bool {
        index < source.count && source[index] &- 0x30 < 10
    }

    private func digitsEnd(from start: Int) -> Int {
        var end = start
        while isDigit(at: end) || end < source.count && source[end] == 0x5F && isDigit(at: end + 1)
        {
            end += 1
        }
        return end
    }

    private mutating func number() throws(TemplateError) {
        var end = digitsEnd(from: position)
        var isFloat = false
        if end < source.count, source[end] == 0x2E, isDigit(at: end + 1) {
            isFloat = true
            end = digitsEnd(from: end + 1)
        }
        if end < source.count, source[end] | 0x20 == 0x65 {
            var exponent = end + 1
            if exponent < source.count, source[exponent] == 0x2B || source[exponent] == 0x2D {
                exponent += 1
            }
            if isDigit(at: exponent) {
                isFloat = true
                end = digitsEnd(from: exponent)
            }
        }
        let digits = text(position..<end).filter { $0 != "_" }
        if !isFloat, Int(digits) == nil { throw fault("the number \(digits) is too large") }
        append(isFloat ? .float : .integer, digits)
        advance(end - position)
    }

    private mutating func string(quote: UInt32) throws(TemplateError) {
        let startLine = line
        var result: [UInt32] = []
        advance(1)
        while position < source.count, source[position] != quote {
            if source[position] == 0x5C {
                result += escape()
            } else {
                result.append(source[position])
                advance(1)
            }
        }
        guard position < source.count else { throw fault("a string is not closed") }
        advance(1)
        let glyphs = result.map { TemplateText.Glyph(scalar: $0, origin: .template) }
        let text = TemplateText(glyphs: glyphs).string
        tokens.append(TemplateToken(kind: .string, text: text, line: startLine))
    }

    /// An escape as in a Python string; one that is not known stays as it stands.
    private mutating func escape() -> [UInt32] {
        guard position + 1 < source.count else {
            advance(1)
            return [0x5C]
        }
        let scalar = source[position + 1]
        let simple: [UInt32: UInt32] = [
            0x6E: 10, 0x74: 9, 0x72: 13, 0x5C: 0x5C, 0x27: 0x27, 0x22: 0x22, 0x61: 7, 0x62: 8,
            0x66: 12, 0x76: 11,
        ]
        if let value = simple[scalar] {
            advance(2)
            return [value]
        }
        if scalar == 10 {
            advance(2)
            return []
        }
        let digitCounts: [UInt32: Int] = [0x78: 2, 0x75: 4, 0x55: 8]
        if let count = digitCounts[scalar], position + 2 + count <= source.count,
            let value = UInt32(text(position + 2..<position + 2 + count), radix: 16),
            Unicode.Scalar(value) != nil
        {
            advance(2 + count)
            return [value]
        }
        if let octal = octalEscape() { return [octal] }
        advance(2)
        return [0x5C, scalar]
    }

    private mutating func octalEscape() -> UInt32? {
        var value: UInt32 = 0
        var length = 0
        while length < 3, position + 1 + length < source.count,
            source[position + 1 + length] &- 0x30 < 8
        {
            value = value * 8 + source[position + 1 + length] - 0x30
            length += 1
        }
        guard length > 0 else { return nil }
        advance(1 + length)
        return value
    }
}
