/// Runs a parsed template. One value renders once.
struct TemplateInterpreter {
    var scope: TemplateScope
    var budget: TemplateBudget
    /// What `strftime_now` reads.
    let clock: TemplateClock
    /// The text written so far, or inside a block set or macro what that has written.
    private(set) var output: [TemplateText.Glyph] = []
    /// The message in whose turn of a loop the template is, or -1.
    private var turn: Int32 = -1
    private var loopLevel = 0
    /// Namespaces and scopes that may hold each other: cleared in the end, so that nothing leaks.
    var namespaces: [TemplateNamespace] = []
    private var closureScopes: [TemplateScope] = []

    private enum Flow {
        case next, breakLoop, continueLoop
    }

    init(variables: [String: TemplateValue], budget: TemplateBudget, clock: TemplateClock) {
        scope = TemplateScope(parent: nil)
        scope.variables = variables
        self.budget = budget
        self.clock = clock
    }

    static func render(
        _ statements: [Statement], variables: [String: TemplateValue], budget: TemplateBudget,
        clock: TemplateClock
    ) throws(TemplateError) -> TemplateText {
        var interpreter = TemplateInterpreter(variables: variables, budget: budget, clock: clock)
        defer { interpreter.breakCycles() }
        _ = try interpreter.run(statements)
        return TemplateText(glyphs: interpreter.output)
    }

    private func breakCycles() {
        for namespace in namespaces { namespace.values = [:] }
        for scope in closureScopes { scope.variables = [:] }
    }

    func fault(_ line: Int, _ problem: String) -> TemplateError {
        TemplateError(.evaluation, line: line, problem)
    }

    mutating func write(_ text: TemplateText, line: Int) throws(TemplateError) {
        try budget.charge(text.count, line: line)
        for var glyph in text.glyphs {
            if glyph.turn < 0 { glyph.turn = turn }
            output.append(glyph)
        }
    }

    /// What `statements` write, instead of writing it.
    private mutating func capture(
        _ statements: [Statement]
    ) throws(TemplateError) -> (text: TemplateText, flow: Flow) {
        let outer = output
        output = []
        let flow = try run(statements)
        let text = TemplateText(glyphs: output)
        output = outer
        return (text, flow)
    }

    private mutating func run(_ statements: [Statement]) throws(TemplateError) -> Flow {
        for statement in statements {
            try budget.enter(line: statement.line)
            defer { budget.leave() }
            try budget.charge(1, line: statement.line)
            let flow = try run(statement)
            if flow != .next { return flow }
        }
        return .next
    }

    private mutating func run(_ statement: Statement) throws(TemplateError) -> Flow {
        let line = statement.line
        switch statement.form {
        case .text(let text):
            try write(text, line: line)
        case .output(let expression):
            try write(try printed(try evaluate(expression), line: line), line: line)
        case .set(let target, let expression):
            try assign(try evaluate(expression), to: target, line: line)
        case .setBlock(let target, let filters, let body):
            try assign(try filteredBlock(filters, body), to: target, line: line)
        case .filterBlock(let filters, let body):
            try write(try printed(try filteredBlock(filters, body), line: line), line: line)
        case .condition(let branches, let otherwise):
            for branch in branches where try evaluate(branch.test).isTrue {
                return try run(branch.body)
            }
            return try run(otherwise)
        case .loop(let loop):
            try run(loop, line: line)
        case .macro(let definition):
            closureScopes.append(scope)
            scope.variables[definition.name] = .macro(TemplateMacro(definition, scope: scope))
        case .callBlock(let definition, let call):
            try write(try callWithBlock(definition, call), line: line)
        case .with(let assignments, let body):
            return try runWith(assignments, body, line: line)
        case .generation(let body):
            return try runGeneration(body, line: line)
        case .breakLoop:
            return .breakLoop
        case .continueLoop:
            return .continueLoop
        }
        return .next
    }

    private mutating func runGeneration(
        _ body: [Statement], line: Int
    ) throws(TemplateError) -> Flow {
        var (text, flow) = try capture(body)
        for index in text.glyphs.indices { text.glyphs[index].isGenerated = true }
        try write(text, line: line)
        return flow
    }

    private mutating func filteredBlock(
        _ filters: [FilterCall], _ body: [Statement]
    ) throws(TemplateError) -> TemplateValue {
        let outer = scope
        scope = TemplateScope(parent: outer)
        defer { scope = outer }
        var value = TemplateValue.string(try capture(body).text)
        for filter in filters {
            let arguments = try evaluate(filter.arguments)
            value = try apply(filter.name, to: value, arguments, line: filter.line)
        }
        return value
    }

    private mutating func runWith(
        _ assignments: [(AssignmentTarget, Expression)], _ body: [Statement], line: Int
    ) throws(TemplateError) -> Flow {
        let outer = scope
        let inner = TemplateScope(parent: outer)
        defer { scope = outer }
        for (target, expression) in assignments {
            scope = outer
            let value = try evaluate(expression)
            scope = inner
            try assign(value, to: target, line: line)
        }
        scope = inner
        return try run(body)
    }
}

// MARK: - Assignment

extension TemplateInterpreter {
    mutating func assign(
        _ value: TemplateValue, to target: AssignmentTarget, line: Int
    ) throws(TemplateError) {
        switch target {
        case .name(let name):
            scope.variables[name] = value
        case .member(let owner, let name):
            guard case .namespace(let namespace) = scope.value(of: owner) else {
                throw fault(line, "cannot set \(owner).\(name): only a namespace can be changed")
            }
            namespace.set(name, value)
            try checkDepth(.namespace(namespace), line: line)
        case .tuple(let targets):
            let values = try items(of: value, line: line)
            guard values.count == targets.count else {
                throw fault(line, "\(values.count) values for \(targets.count) names")
            }
            for (target, value) in zip(targets, values) {
                try assign(value, to: target, line: line)
            }
        }
    }

    func checkDepth(_ value: TemplateValue, line: Int) throws(TemplateError) {
        if value.depth > TemplateBudget.containerDepth {
            throw TemplateError(.limit, line: line, "values nest too deep")
        }
    }
}

// MARK: - Loops

extension TemplateInterpreter {
    private mutating func run(_ loop: LoopStatement, line: Int) throws(TemplateError) {
        let source = try evaluate(loop.source)
        try run(loop, over: source, line: line)
    }

    private mutating func run(
        _ loop: LoopStatement, over source: TemplateValue, line: Int
    ) throws(TemplateError) {
        var values = try items(of: source, line: line)
        let (outerScope, outerTurn) = (scope, turn)
        defer {
            scope = outerScope
            turn = outerTurn
        }
        if let condition = loop.condition {
            values = try filter(values, by: condition, for: loop.target, line: line)
        }
        try budget.charge(manySmall: values.count, line: line)
        guard !values.isEmpty else {
            scope = TemplateScope(parent: outerScope)
            _ = try run(loop.otherwise)
            return
        }
        loopLevel += 1
        defer { loopLevel -= 1 }
        let state = TemplateLoop(
            items: TemplateList(values), level: loopLevel,
            recursion: loop.isRecursive ? (loop, outerScope) : nil)
        for (index, value) in values.enumerated() {
            state.index = index
            scope = TemplateScope(parent: outerScope)
            scope.variables["loop"] = .loop(state)
            try assign(value, to: loop.target, line: line)
            turn = messageIndex(of: value).map { Int32(truncatingIfNeeded: $0) } ?? outerTurn
            try budget.charge(1, line: line)
            if try run(loop.body) == .breakLoop { break }
        }
    }

    /// `loop(source)` in a recursive loop.
    mutating func call(
        _ loop: TemplateLoop, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        guard let recursion = loop.recursion, let source = arguments.positional.first else {
            throw fault(line, "only a recursive loop can be called, with what to go through")
        }
        let (outerScope, outerOutput) = (scope, output)
        defer { scope = outerScope }
        scope = recursion.scope
        output = []
        try run(recursion.statement, over: source, line: line)
        let text = TemplateText(glyphs: output)
        output = outerOutput
        return text
    }

    private func messageIndex(of value: TemplateValue) -> Int? {
        if case .dict(let dict) = value { dict.messageIndex } else { nil }
    }

    private mutating func filter(
        _ values: [TemplateValue], by condition: Expression, for target: AssignmentTarget, line: Int
    ) throws(TemplateError) -> [TemplateValue] {
        let outer = scope
        defer { scope = outer }
        var result: [TemplateValue] = []
        for value in values {
            scope = TemplateScope(parent: outer)
            try assign(value, to: target, line: line)
            if try evaluate(condition).isTrue { result.append(value) }
        }
        return result
    }
}

// MARK: - Calls

extension TemplateInterpreter {
    struct Arguments {
        var positional: [TemplateValue] = []
        var named: [(name: String, value: TemplateValue)] = []

        func named(_ name: String) -> TemplateValue? { named.first { $0.name == name }?.value }

        /// The argument at a position or under a name.
        func value(_ position: Int, _ name: String) -> TemplateValue? {
            position < positional.count ? positional[position] : named(name)
        }
    }

    mutating func evaluate(_ arguments: CallArguments) throws(TemplateError) -> Arguments {
        var result = Arguments()
        for expression in arguments.positional {
            result.positional.append(try evaluate(expression))
        }
        for (name, expression) in arguments.named {
            result.named.append((name, try evaluate(expression)))
        }
        if let unpacked = arguments.unpackedItems {
            let values = try items(of: try evaluate(unpacked), line: unpacked.line)
            try budget.charge(values.count, line: unpacked.line)
            result.positional += values
        }
        if let unpacked = arguments.unpackedMembers {
            guard case .dict(let dict) = try evaluate(unpacked) else {
                throw fault(unpacked.line, "only a dict can be unpacked into named arguments")
            }
            try budget.charge(dict.keys.count, line: unpacked.line)
            for pair in dict.pairs {
                result.named.append((try printed(pair.key, line: unpacked.line).string, pair.value))
            }
        }
        return result
    }

    mutating func call(
        _ macro: TemplateMacro, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        let definition = macro.definition
        try budget.enter(line: line)
        defer { budget.leave() }
        // Every parameter is looked for among the named arguments, and the other way.
        let (parameters, named) = (definition.parameters.count, arguments.named.count)
        try budget.charge(manySmall: parameters * (named + 1), line: line)
        try budget.charge(manySmall: arguments.positional.count, line: line)
        let outer = scope
        defer { scope = outer }
        scope = TemplateScope(parent: macro.scope)
        for (position, parameter) in definition.parameters.enumerated() {
            if let value = arguments.value(position, parameter.name) {
                scope.variables[parameter.name] = value
            } else if let fallback = parameter.fallback {
                scope.variables[parameter.name] = try evaluate(fallback)
            } else {
                let problem = "parameter '\(parameter.name)' was not provided"
                scope.variables[parameter.name] = .undefined(problem)
            }
        }
        let extra = arguments.positional.dropFirst(definition.parameters.count)
        scope.variables["varargs"] = .tuple(TemplateList(Array(extra)))
        var rest = TemplateDict()
        let names = definition.parameters.map(\.name)
        for (name, value) in arguments.named where !names.contains(name) {
            if name == "caller" { scope.variables["caller"] = value }
            rest.set(value, for: .text(name))
        }
        scope.variables["kwargs"] = .dict(rest)
        return try capture(definition.body).text
    }

    private mutating func callWithBlock(
        _ definition: MacroDefinition, _ call: Expression
    ) throws(TemplateError) -> TemplateText {
        guard case .call(let callee, let arguments) = call.form else {
            throw fault(call.line, "a call block needs a call")
        }
        let target = try evaluate(callee)
        var values = try evaluate(arguments)
        closureScopes.append(scope)
        values.named.append(("caller", .macro(TemplateMacro(definition, scope: scope))))
        let result = try self.call(target, values, line: call.line)
        return try printed(result, line: call.line)
    }
}
