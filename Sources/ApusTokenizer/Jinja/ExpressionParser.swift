/// Parses the expressions of a template; precedence as in Jinja.
struct ExpressionParser {
    var tokens: TemplateTokens

    /// An expression with an optional `if`.
    mutating func expression() throws(TemplateError) -> Expression {
        try tokens.enter()
        defer { tokens.leave() }
        var result = try disjunction()
        while tokens.isName("if") {
            let line = tokens.line
            tokens.advance()
            let condition = try disjunction()
            var otherwise: Expression?
            if tokens.takeName("else") { otherwise = try expression() }
            let form = ExpressionForm.conditional(
                result, condition: condition, otherwise: otherwise)
            result = Expression(line: line, form: form)
        }
        return result
    }

    /// An expression, or several with commas, which make a tuple.
    mutating func expressions(
        allowsConditional: Bool = true, endsAt isEnd: (TemplateTokens) -> Bool = { _ in false }
    ) throws(TemplateError) -> Expression {
        let line = tokens.line
        var elements: [Expression] = []
        var isTuple = false
        while !isTupleEnd, !isEnd(tokens) {
            elements.append(try allowsConditional ? expression() : disjunction())
            guard tokens.takeSymbol(",") else { break }
            isTuple = true
        }
        if !isTuple, let only = elements.first { return only }
        guard isTuple else { throw tokens.unexpected("an expression") }
        return Expression(line: line, form: .tuple(elements))
    }

    private var isTupleEnd: Bool {
        tokens.current.kind == .blockEnd || tokens.current.kind == .outputEnd
            || tokens.current.kind == .end || tokens.isSymbol(")")
    }

    mutating func disjunction() throws(TemplateError) -> Expression {
        var left = try conjunction()
        while tokens.isName("or") {
            let line = tokens.line
            tokens.advance()
            left = Expression(line: line, form: .or(left, try conjunction()))
        }
        return left
    }

    private mutating func conjunction() throws(TemplateError) -> Expression {
        var left = try negation()
        while tokens.isName("and") {
            let line = tokens.line
            tokens.advance()
            left = Expression(line: line, form: .and(left, try negation()))
        }
        return left
    }

    private mutating func negation() throws(TemplateError) -> Expression {
        let line = tokens.line
        guard tokens.takeName("not") else { return try comparison() }
        try tokens.enter()
        defer { tokens.leave() }
        return Expression(line: line, form: .not(try negation()))
    }

    private mutating func comparison() throws(TemplateError) -> Expression {
        let line = tokens.line
        let first = try sum()
        var rest: [(ComparisonOperator, Expression)] = []
        while let operation = takeComparison() { rest.append((operation, try sum())) }
        return rest.isEmpty ? first : Expression(line: line, form: .comparison(first, rest))
    }

    private mutating func takeComparison() -> ComparisonOperator? {
        if tokens.takeName("in") { return .isIn }
        if tokens.isName("not"), tokens.next.kind == .name, tokens.next.text == "in" {
            tokens.advance()
            tokens.advance()
            return .isNotIn
        }
        guard tokens.current.kind == .symbol,
            let operation = ComparisonOperator(rawValue: tokens.current.text)
        else { return nil }
        tokens.advance()
        return operation
    }

    private mutating func sum() throws(TemplateError) -> Expression {
        var left = try concatenation()
        while let (operation, line) = takeOperator([.add, .subtract]) {
            left = Expression(line: line, form: .binary(operation, left, try concatenation()))
        }
        return left
    }

    private mutating func concatenation() throws(TemplateError) -> Expression {
        let line = tokens.line
        var parts = [try product()]
        while tokens.takeSymbol("~") { parts.append(try product()) }
        return parts.count == 1 ? parts[0] : Expression(line: line, form: .concatenation(parts))
    }

    private mutating func product() throws(TemplateError) -> Expression {
        var left = try power()
        while let (operation, line) = takeOperator([.multiply, .divide, .floorDivide, .modulo]) {
            left = Expression(line: line, form: .binary(operation, left, try power()))
        }
        return left
    }

    private mutating func power() throws(TemplateError) -> Expression {
        var left = try unary(allowsFilter: true)
        while let (operation, line) = takeOperator([.power]) {
            left = Expression(
                line: line, form: .binary(operation, left, try unary(allowsFilter: true)))
        }
        return left
    }

    private mutating func takeOperator(
        _ operators: [BinaryOperator]
    ) -> (BinaryOperator, Int)? {
        guard tokens.current.kind == .symbol,
            let operation = BinaryOperator(rawValue: tokens.current.text),
            operators.contains(operation)
        else { return nil }
        let line = tokens.line
        tokens.advance()
        return (operation, line)
    }

    private mutating func unary(allowsFilter: Bool) throws(TemplateError) -> Expression {
        let line = tokens.line
        try tokens.enter()
        defer { tokens.leave() }
        var result: Expression
        if tokens.takeSymbol("-") {
            result = Expression(line: line, form: .negative(try unary(allowsFilter: false)))
        } else if tokens.takeSymbol("+") {
            result = Expression(line: line, form: .positive(try unary(allowsFilter: false)))
        } else {
            result = try primary()
        }
        result = try postfix(result)
        return allowsFilter ? try filtersAndTests(result) : result
    }
}

// MARK: - What follows an expression

extension ExpressionParser {
    private mutating func postfix(_ expression: Expression) throws(TemplateError) -> Expression {
        var result = expression
        while true {
            let line = tokens.line
            if tokens.takeSymbol(".") {
                result = Expression(line: line, form: try member(of: result))
            } else if tokens.takeSymbol("[") {
                result = Expression(line: line, form: try subscriptForm(of: result))
            } else if tokens.isSymbol("(") {
                result = Expression(line: line, form: .call(result, try callArguments()))
            } else {
                return result
            }
        }
    }

    private mutating func member(of owner: Expression) throws(TemplateError) -> ExpressionForm {
        if tokens.current.kind == .integer, let index = Int(tokens.current.text) {
            let key = Expression(line: tokens.line, form: .literal(.int(index)))
            tokens.advance()
            return .subscript_(owner, key)
        }
        return .attribute(owner, try tokens.identifier())
    }

    private mutating func subscriptForm(
        of owner: Expression
    ) throws(TemplateError) -> ExpressionForm {
        var bounds = SliceBounds()
        if !tokens.isSymbol(":") {
            let first = try expression()
            if tokens.isSymbol(",") {
                throw tokens.fault("a tuple as a subscript is not supported")
            }
            if tokens.takeSymbol("]") { return .subscript_(owner, first) }
            bounds.start = first
        }
        try tokens.expectSymbol(":")
        if !tokens.isSymbol("]"), !tokens.isSymbol(":") { bounds.stop = try expression() }
        if tokens.takeSymbol(":"), !tokens.isSymbol("]") { bounds.step = try expression() }
        try tokens.expectSymbol("]")
        return .slice(owner, bounds)
    }

    mutating func callArguments() throws(TemplateError) -> CallArguments {
        var arguments = CallArguments()
        try tokens.expectSymbol("(")
        while !tokens.takeSymbol(")") {
            if tokens.takeSymbol("*") {
                arguments.unpackedItems = try expression()
            } else if tokens.takeSymbol("**") {
                arguments.unpackedMembers = try expression()
            } else if tokens.current.kind == .name, tokens.next.kind == .symbol,
                tokens.next.text == "="
            {
                let name = try tokens.identifier()
                tokens.advance()
                arguments.named.append((name, try expression()))
            } else if !arguments.named.isEmpty {
                throw tokens.fault("an argument without a name stands after one with a name")
            } else {
                arguments.positional.append(try expression())
            }
            if !tokens.isSymbol(")") { try tokens.expectSymbol(",") }
        }
        return arguments
    }

    private mutating func filtersAndTests(
        _ expression: Expression
    ) throws(TemplateError) -> Expression {
        var result = expression
        while true {
            let line = tokens.line
            if tokens.takeSymbol("|") {
                let filter = try filterCall(line: line)
                let form = ExpressionForm.filter(result, filter.name, filter.arguments)
                result = Expression(line: line, form: form)
            } else if tokens.takeName("is") {
                result = try test(result, line: line)
            } else if tokens.isSymbol("(") {
                result = Expression(line: line, form: .call(result, try callArguments()))
            } else {
                return result
            }
        }
    }

    mutating func filterCall(line: Int) throws(TemplateError) -> FilterCall {
        let name = try tokens.identifier()
        let arguments = tokens.isSymbol("(") ? try callArguments() : CallArguments()
        return FilterCall(line: line, name: name, arguments: arguments)
    }

    private mutating func test(
        _ subject: Expression, line: Int
    ) throws(TemplateError) -> Expression {
        let isNegated = tokens.takeName("not")
        var name = ""
        if tokens.current.kind == .symbol,
            ["==", "!=", "<", "<=", ">", ">="].contains(tokens.current.text)
        {
            name = tokens.current.text
            tokens.advance()
        } else {
            name = try tokens.identifier()
        }
        var arguments = CallArguments()
        if tokens.isSymbol("(") {
            arguments = try callArguments()
        } else if startsTestArgument {
            let argument = try primary()
            arguments.positional.append(try postfix(argument))
        }
        let form = ExpressionForm.test(subject, name, arguments, isNegated: isNegated)
        return Expression(line: line, form: form)
    }

    /// `x is divisibleby 3`: an argument without parentheses.
    private var startsTestArgument: Bool {
        switch tokens.current.kind {
        case .name: !["else", "or", "and", "is", "if", "in", "not"].contains(tokens.current.text)
        case .string, .integer, .float: true
        case .symbol: ["[", "{"].contains(tokens.current.text)
        default: false
        }
    }
}

// MARK: - Primary expressions

extension ExpressionParser {
    private mutating func primary() throws(TemplateError) -> Expression {
        let line = tokens.line
        let token = tokens.current
        switch token.kind {
        case .name:
            tokens.advance()
            return Expression(line: line, form: Self.nameForm(token.text))
        case .string:
            var text = ""
            while tokens.current.kind == .string {
                text += tokens.current.text
                tokens.advance()
            }
            return Expression(line: line, form: .literal(.text(text)))
        case .integer:
            tokens.advance()
            return Expression(line: line, form: .literal(.int(Int(token.text) ?? 0)))
        case .float:
            tokens.advance()
            return Expression(line: line, form: .literal(.float(Double(token.text) ?? 0)))
        case .symbol:
            return Expression(line: line, form: try bracketed())
        default:
            throw tokens.unexpected("an expression")
        }
    }

    private static func nameForm(_ name: String) -> ExpressionForm {
        switch name {
        case "true", "True": .literal(.bool(true))
        case "false", "False": .literal(.bool(false))
        case "none", "None": .literal(.none)
        default: .name(name)
        }
    }

    private mutating func bracketed() throws(TemplateError) -> ExpressionForm {
        if tokens.takeSymbol("(") { return try parenthesized() }
        if tokens.takeSymbol("[") { return .list(try elements(closedBy: "]")) }
        guard tokens.takeSymbol("{") else { throw tokens.unexpected("an expression") }
        var members: [(Expression, Expression)] = []
        while !tokens.takeSymbol("}") {
            let key = try expression()
            try tokens.expectSymbol(":")
            members.append((key, try expression()))
            if !tokens.isSymbol("}") { try tokens.expectSymbol(",") }
        }
        return .dict(members.map { (key: $0.0, value: $0.1) })
    }

    private mutating func parenthesized() throws(TemplateError) -> ExpressionForm {
        if tokens.takeSymbol(")") { return .tuple([]) }
        let first = try expression()
        if tokens.takeSymbol(")") { return first.form }
        try tokens.expectSymbol(",")
        return .tuple([first] + (try elements(closedBy: ")")))
    }

    private mutating func elements(
        closedBy closing: String
    ) throws(TemplateError) -> [Expression] {
        var result: [Expression] = []
        while !tokens.takeSymbol(closing) {
            result.append(try expression())
            if !tokens.isSymbol(closing) { try tokens.expectSymbol(",") }
        }
        return result
    }
}
