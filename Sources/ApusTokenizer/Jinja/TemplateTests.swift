extension TemplateInterpreter {
    /// `value is name(arguments)`
    mutating func test(
        _ name: String, _ value: TemplateValue, _ arguments: [TemplateValue], line: Int
    ) throws(TemplateError) -> Bool {
        if let result = Self.testType(name, value) { return result }
        let operations: [String: ComparisonOperator] = [
            "eq": .equal, "equalto": .equal, "==": .equal, "ne": .notEqual, "!=": .notEqual,
            "lt": .less, "lessthan": .less, "<": .less, "le": .lessOrEqual, "<=": .lessOrEqual,
            "gt": .greater, "greaterthan": .greater, ">": .greater, "ge": .greaterOrEqual,
            ">=": .greaterOrEqual, "in": .isIn,
        ]
        if let operation = operations[name] {
            guard let other = arguments.first else {
                throw fault(line, "the test \(name) needs a value")
            }
            return try compare(operation, value, other, line: line)
        }
        switch name {
        case "odd", "even", "divisibleby":
            guard let integer = value.integer else {
                throw fault(line, "the test \(name) needs an integer, not a \(value.typeName)")
            }
            let divisor = name == "divisibleby" ? arguments.first?.integer ?? 0 : 2
            guard divisor != 0 else { throw fault(line, "division by zero") }
            // -1 would overflow for the least integer, and divides everything.
            let isDivisible = divisor == -1 || integer % divisor == 0
            return name == "odd" ? !isDivisible : isDivisible
        case "lower", "upper":
            let text = try printed(value, line: line)
            try budget.charge(text.count, line: line)
            let scalars = text.scalars.compactMap { Unicode.Scalar($0) }
            let isUpper = name == "upper"
            let wrong = scalars.contains {
                isUpper ? $0.properties.isLowercase : $0.properties.isUppercase
            }
            return !wrong && scalars.contains { $0.properties.isCased }
        case "sameas":
            return try areSame(value, arguments.first ?? .none, line: line)
        case "filter", "test":
            try budget.charge(manySmall: value.text?.count ?? 0, line: line)
            let known = name == "filter" ? Self.filterNames : Self.testNames
            return value.text.map { known.contains($0.string) } ?? false
        default: throw fault(line, "there is no test named '\(name)'")
        }
    }

    private static let testNames: Set<String> = [
        "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number",
        "string", "mapping", "sequence", "iterable", "callable", "escaped", "eq", "equalto", "ne",
        "lt", "lessthan", "le", "gt", "greaterthan", "ge", "in", "odd", "even", "divisibleby",
        "lower",
        "upper", "sameas", "filter", "test",
    ]

    /// Tests that look only at what kind of value it is.
    private static func testType(_ name: String, _ value: TemplateValue) -> Bool? {
        switch (name, value) {
        case ("defined", _): !value.isUndefined
        case ("undefined", _): value.isUndefined
        case ("none", .none), ("boolean", .bool), ("integer", .int), ("float", .float),
            ("string", .string), ("mapping", .dict), ("callable", .macro), ("callable", .function),
            ("callable", .method):
            true
        case ("true", .bool(let value)): value
        case ("false", .bool(let value)): !value
        case ("number", _): value.number != nil
        case ("sequence", .string), ("sequence", .list), ("sequence", .tuple), ("sequence", .dict),
            ("sequence", .undefined):
            true
        case ("iterable", .string), ("iterable", .list), ("iterable", .tuple), ("iterable", .dict),
            ("iterable", .undefined), ("iterable", .loop), ("iterable", .iterator):
            true
        case ("none", _), ("boolean", _), ("integer", _), ("float", _), ("string", _),
            ("mapping", _),
            ("callable", _), ("true", _), ("false", _), ("sequence", _), ("iterable", _),
            ("escaped", _):
            false
        default: nil
        }
    }

    /// Python's `is`, as far as values here have an identity.
    private mutating func areSame(
        _ left: TemplateValue, _ right: TemplateValue, line: Int
    ) throws(TemplateError) -> Bool {
        switch (left, right) {
        case (.bool(let first), .bool(let second)): first == second
        case (.bool, _), (_, .bool): false
        default: left.typeName == right.typeName ? try areEqual(left, right, line: line) : false
        }
    }
}
