/// Parses the tags of a template into statements.
struct TemplateParser {
    private var expressions: ExpressionParser
    /// Loops around the current statement: `break` and `continue` need one.
    private var loopDepth = 0

    static func parse(_ source: String) throws(TemplateError) -> [Statement] {
        var parser = TemplateParser(try TemplateLexer.tokens(of: source))
        return try parser.statements(until: [])
    }

    private init(_ tokens: [TemplateToken]) {
        expressions = ExpressionParser(tokens: TemplateTokens(tokens))
    }

    private var tokens: TemplateTokens {
        get { expressions.tokens }
        set { expressions.tokens = newValue }
        _modify { yield &expressions.tokens }
    }

    /// Statements up to a block tag with one of the names, which is left open: its name is current.
    private mutating func statements(until names: [String]) throws(TemplateError) -> [Statement] {
        var result: [Statement] = []
        try tokens.enter()
        defer { tokens.leave() }
        while true {
            let line = tokens.line
            switch tokens.current.kind {
            case .text:
                let text = TemplateText(tokens.current.text)
                result.append(Statement(line: line, form: .text(text)))
                tokens.advance()
            case .outputStart:
                tokens.advance()
                let output = try expressions.expressions()
                result.append(Statement(line: line, form: .output(output)))
                try tokens.expect(.outputEnd, "\"}}\"")
            case .blockStart:
                tokens.advance()
                guard tokens.current.kind == .name else {
                    throw tokens.unexpected("the name of a tag")
                }
                if names.contains(tokens.current.text) { return result }
                result.append(Statement(line: line, form: try tag()))
            default:
                guard names.isEmpty else {
                    throw tokens.unexpected(names.map { "{% \($0) %}" }.joined(separator: " or "))
                }
                return result
            }
        }
    }

    private mutating func tag() throws(TemplateError) -> StatementForm {
        let name = try tokens.identifier()
        switch name {
        case "if": return try condition()
        case "for": return try loop()
        case "set": return try assignment()
        case "macro": return .macro(try macro())
        case "call": return try callBlock()
        case "filter": return try filterBlock()
        case "with": return try with()
        case "generation":
            try endTag()
            let body = try block(until: "endgeneration")
            return .generation(body)
        case "break", "continue":
            guard loopDepth > 0 else { throw tokens.fault("\(name) outside of a loop") }
            try endTag()
            return name == "break" ? .breakLoop : .continueLoop
        default:
            throw tokens.fault("the tag \"\(name)\" is not supported")
        }
    }

    private mutating func endTag() throws(TemplateError) { try tokens.expect(.blockEnd, "\"%}\"") }

    /// Statements up to the tag `name`, and that tag.
    private mutating func block(until name: String) throws(TemplateError) -> [Statement] {
        let body = try statements(until: [name])
        tokens.advance()
        try endTag()
        return body
    }
}

// MARK: - Control

extension TemplateParser {
    private mutating func condition() throws(TemplateError) -> StatementForm {
        var branches: [(Expression, [Statement])] = []
        while true {
            let test = try expressions.expressions(allowsConditional: false)
            try endTag()
            let body = try statements(until: ["elif", "else", "endif"])
            branches.append((test, body))
            let name = try tokens.identifier()
            if name == "elif" { continue }
            try endTag()
            let otherwise = name == "else" ? try block(until: "endif") : []
            return .condition(branches.map { (test: $0.0, body: $0.1) }, otherwise: otherwise)
        }
    }

    private mutating func loop() throws(TemplateError) -> StatementForm {
        let target = try target(allowsMember: false, endsAt: "in")
        try tokens.expectName("in")
        let source = try expressions.expressions(allowsConditional: false) {
            $0.isName("recursive")
        }
        var statement = LoopStatement(
            target: target, source: source, condition: nil, body: [], otherwise: [])
        if tokens.takeName("if") { statement.condition = try expressions.expression() }
        statement.isRecursive = tokens.takeName("recursive")
        try endTag()
        loopDepth += 1
        statement.body = try statements(until: ["else", "endfor"])
        loopDepth -= 1
        let name = try tokens.identifier()
        try endTag()
        if name == "else" { statement.otherwise = try block(until: "endfor") }
        return .loop(statement)
    }

    private mutating func assignment() throws(TemplateError) -> StatementForm {
        let target = try target(allowsMember: true, endsAt: "=")
        if tokens.takeSymbol("=") {
            let value = try expressions.expressions()
            try endTag()
            return .set(target, value)
        }
        let filters = try filters()
        try endTag()
        return .setBlock(target, filters, try block(until: "endset"))
    }

    private mutating func filters() throws(TemplateError) -> [FilterCall] {
        var result: [FilterCall] = []
        while tokens.isSymbol("|") {
            let line = tokens.line
            tokens.advance()
            result.append(try expressions.filterCall(line: line))
        }
        return result
    }

    /// One name, `ns.name`, or several names with commas.
    private mutating func target(
        allowsMember: Bool, endsAt end: String
    ) throws(TemplateError) -> AssignmentTarget {
        var targets = [try singleTarget(allowsMember: allowsMember)]
        var isTuple = false
        while tokens.takeSymbol(",") {
            isTuple = true
            if tokens.isName(end) || tokens.isSymbol(end) { break }
            targets.append(try singleTarget(allowsMember: allowsMember))
        }
        return isTuple ? .tuple(targets) : targets[0]
    }

    private mutating func singleTarget(
        allowsMember: Bool
    ) throws(TemplateError) -> AssignmentTarget {
        if tokens.takeSymbol("(") {
            try tokens.enter()
            defer { tokens.leave() }
            let inner = try target(allowsMember: allowsMember, endsAt: ")")
            try tokens.expectSymbol(")")
            return inner
        }
        let name = try tokens.identifier()
        let reserved = ["true", "false", "none", "True", "False", "None"]
        guard !reserved.contains(name) else { throw tokens.fault("\(name) cannot be assigned to") }
        if allowsMember, tokens.takeSymbol(".") { return .member(name, try tokens.identifier()) }
        return .name(name)
    }
}

// MARK: - Macros and blocks

extension TemplateParser {
    private mutating func macro() throws(TemplateError) -> MacroDefinition {
        let name = try tokens.identifier()
        var definition = MacroDefinition(name: name, parameters: try parameters(), body: [])
        try endTag()
        definition.body = try functionBody(until: "endmacro")
        return definition
    }

    /// A loop around a macro is none for the statements in it.
    private mutating func functionBody(until name: String) throws(TemplateError) -> [Statement] {
        let outerDepth = loopDepth
        loopDepth = 0
        defer { loopDepth = outerDepth }
        return try block(until: name)
    }

    private mutating func parameters() throws(TemplateError) -> [(String, Expression?)] {
        var result: [(String, Expression?)] = []
        try tokens.expectSymbol("(")
        while !tokens.takeSymbol(")") {
            let name = try tokens.identifier()
            var fallback: Expression?
            if tokens.takeSymbol("=") {
                fallback = try expressions.expression()
            } else if result.contains(where: { $0.1 != nil }) {
                throw tokens.fault("a parameter without a default stands after one with a default")
            }
            result.append((name, fallback))
            if !tokens.isSymbol(")") { try tokens.expectSymbol(",") }
        }
        return result
    }

    private mutating func callBlock() throws(TemplateError) -> StatementForm {
        let parameters = tokens.isSymbol("(") ? try parameters() : []
        let call = try expressions.expression()
        guard case .call = call.form else { throw tokens.fault("a call block needs a call") }
        try endTag()
        let body = try functionBody(until: "endcall")
        let definition = MacroDefinition(
            name: "caller", parameters: parameters.map { (name: $0.0, fallback: $0.1) }, body: body)
        return .callBlock(definition, call)
    }

    private mutating func filterBlock() throws(TemplateError) -> StatementForm {
        let first = try expressions.filterCall(line: tokens.line)
        let rest = try filters()
        try endTag()
        return .filterBlock([first] + rest, try block(until: "endfilter"))
    }

    private mutating func with() throws(TemplateError) -> StatementForm {
        var assignments: [(AssignmentTarget, Expression)] = []
        while tokens.current.kind != .blockEnd {
            if !assignments.isEmpty { try tokens.expectSymbol(",") }
            let target = try singleTarget(allowsMember: false)
            try tokens.expectSymbol("=")
            assignments.append((target, try expressions.expression()))
        }
        try endTag()
        return .with(assignments, try block(until: "endwith"))
    }
}
