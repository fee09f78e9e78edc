extension TemplateInterpreter {
    mutating func evaluate(_ expression: Expression) throws(TemplateError) -> TemplateValue {
        let line = expression.line
        try budget.enter(line: line)
        defer { budget.leave() }
        try budget.charge(1, line: line)
        switch expression.form {
        case .literal(let value): return value
        case .name(let name):
            try budget.charge(manySmall: scope.level, line: line)
            return lookUp(name)
        case .list(let elements): return .list(try list(elements, line: line))
        case .tuple(let elements): return .tuple(try list(elements, line: line))
        case .dict(let members): return try dict(members, line: line)
        case .attribute(let owner, let name):
            return try attribute(name, of: try evaluate(owner), line: line)
        case .subscript_(let owner, let key):
            return try member(try evaluate(key), of: try evaluate(owner), line: line)
        case .slice(let owner, let bounds):
            return try slice(try evaluate(owner), bounds, line: line)
        case .call(let callee, let arguments):
            let target = try evaluate(callee)
            return try call(target, try evaluate(arguments), line: line)
        case .filter(let subject, let name, let arguments):
            let value = try evaluate(subject)
            return try apply(name, to: value, try evaluate(arguments), line: line)
        case .test(let subject, let name, let arguments, let isNegated):
            let value = try evaluate(subject)
            let result = try test(name, value, try evaluate(arguments).positional, line: line)
            return .bool(result != isNegated)
        default:
            return try evaluateOperation(expression.form, line: line)
        }
    }

    private mutating func evaluateOperation(
        _ form: ExpressionForm, line: Int
    ) throws(TemplateError) -> TemplateValue {
        switch form {
        case .not(let operand):
            return .bool(try !evaluate(operand).isTrue)
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .negative(let operand):
            return try negate(try evaluate(operand), line: line)
        case .positive(let operand):
            let value = try evaluate(operand)
            guard value.number != nil else { throw fault(line, "+ needs a number") }
            return value
        case .binary(let operation, let left, let right):
            let first = try evaluate(left)
            return try combine(operation, first, try evaluate(right), line: line)
        case .concatenation(let parts):
            var text = TemplateText()
            for part in parts {
                let next = try printed(try evaluate(part), line: line)
                try budget.charge(next.count, line: line)
                text.glyphs += next.glyphs
            }
            return .string(text)
        case .comparison(let first, let rest):
            return .bool(try compare(first, rest))
        case .conditional(let value, let condition, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(value) }
            if let otherwise { return try evaluate(otherwise) }
            return .undefined("the inline if-expression evaluated to false and has no else")
        default:
            preconditionFailure("evaluateOperation: called with a form that evaluate(_:) handles")
        }
    }

    private func lookUp(_ name: String) -> TemplateValue {
        if let value = scope.value(of: name) { return value }
        if Self.functionNames.contains(name) { return .function(name) }
        return .undefined("'\(name)' is undefined")
    }

    private mutating func list(
        _ elements: [Expression], line: Int
    ) throws(TemplateError) -> TemplateList {
        var values: [TemplateValue] = []
        for element in elements { values.append(try evaluate(element)) }
        let list = TemplateList(values)
        try checkDepth(.list(list), line: line)
        return list
    }

    private mutating func dict(
        _ members: [(key: Expression, value: Expression)], line: Int
    ) throws(TemplateError) -> TemplateValue {
        var dict = TemplateDict()
        for member in members {
            let key = try evaluate(member.key)
            try budget.charge(manySmall: key.text?.count ?? 0, line: line)
            guard dict.set(try evaluate(member.value), for: key) else {
                throw fault(line, "a \(key.typeName) cannot be the key of a dict")
            }
        }
        try checkDepth(.dict(dict), line: line)
        return .dict(dict)
    }

    private mutating func compare(
        _ first: Expression, _ rest: [(ComparisonOperator, Expression)]
    ) throws(TemplateError) -> Bool {
        var left = try evaluate(first)
        for (operation, expression) in rest {
            let right = try evaluate(expression)
            guard try compare(operation, left, right, line: expression.line) else { return false }
            left = right
        }
        return true
    }
}

// MARK: - Members

extension TemplateInterpreter {
    /// `owner.name`: a method or attribute first, then a member.
    mutating func attribute(
        _ name: String, of owner: TemplateValue, line: Int
    ) throws(TemplateError) -> TemplateValue {
        switch owner {
        case .undefined(let problem):
            throw fault(line, problem)
        case .namespace(let namespace):
            return namespace.values[name]
                ?? .undefined("'Namespace' object has no attribute '\(name)'")
        case .loop(let loop):
            return try attribute(name, of: loop)
        case .macro(let macro) where name == "name":
            return .text(macro.definition.name)
        case .dict(let dict):
            if Self.dictMethods.contains(name) { return .method(owner, name) }
            return dict[name] ?? .undefined("'dict object' has no attribute '\(name)'")
        case .string where Self.textMethods.contains(name):
            return .method(owner, name)
        case .list where Self.listMethods.contains(name),
            .tuple where Self.listMethods.contains(name):
            return .method(owner, name)
        default:
            return .undefined("'\(owner.typeName) object' has no attribute '\(name)'")
        }
    }

    private mutating func attribute(
        _ name: String, of loop: TemplateLoop
    ) throws(TemplateError) -> TemplateValue {
        let (index, count) = (loop.index, loop.items.values.count)
        switch name {
        case "index": return .int(index + 1)
        case "index0": return .int(index)
        case "revindex": return .int(count - index)
        case "revindex0": return .int(count - index - 1)
        case "first": return .bool(index == 0)
        case "last": return .bool(index == count - 1)
        case "length": return .int(count)
        case "depth": return .int(loop.level)
        case "depth0": return .int(loop.level - 1)
        case "previtem":
            return index > 0
                ? loop.items.values[index - 1] : .undefined("there is no previous item")
        case "nextitem":
            let isLast = index == count - 1
            return isLast ? .undefined("there is no next item") : loop.items.values[index + 1]
        case "cycle":
            return .method(.loop(loop), name)
        default:
            return .undefined("'LoopContext object' has no attribute '\(name)'")
        }
    }

    /// `owner[key]`: a member first, then an attribute.
    private mutating func member(
        _ key: TemplateValue, of owner: TemplateValue, line: Int
    ) throws(TemplateError) -> TemplateValue {
        switch owner {
        case .undefined(let problem):
            throw fault(line, problem)
        case .dict(let dict):
            try budget.charge(manySmall: key.text?.count ?? 0, line: line)
            if let value = dict[key] { return value }
            let name = try printed(key, line: line).string
            return .undefined("'dict object' has no attribute '\(name)'")
        case .list(let list), .tuple(let list):
            if let index = key.integer { return Self.element(index, of: list.values) }
        case .string(let text):
            if let index = key.integer {
                let position = index < 0 ? index + text.count : index
                guard text.glyphs.indices.contains(position) else {
                    return .undefined("str object has no element \(index)")
                }
                return .string(text.text(position..<position + 1))
            }
        default:
            break
        }
        guard let name = key.text else {
            return .undefined("\(owner.typeName) object has no such element")
        }
        try budget.charge(manySmall: name.count, line: line)
        return try attribute(name.string, of: owner, line: line)
    }

    private static func element(_ index: Int, of values: [TemplateValue]) -> TemplateValue {
        let position = index < 0 ? index + values.count : index
        guard values.indices.contains(position) else {
            return .undefined("list object has no element \(index)")
        }
        return values[position]
    }

    private mutating func slice(
        _ owner: TemplateValue, _ bounds: SliceBounds, line: Int
    ) throws(TemplateError) -> TemplateValue {
        let start = try bound(bounds.start, line: line)
        let stop = try bound(bounds.stop, line: line)
        let step = try bound(bounds.step, line: line) ?? 1
        guard step != 0, step != Int.min else { throw fault(line, "a slice cannot have this step") }
        func positions(_ count: Int) -> [Int] {
            SliceRange.positions(count: count, start: start, stop: stop, step: step)
        }
        switch owner {
        case .string(let text):
            try budget.charge(text.count, line: line)
            return .string(TemplateText(glyphs: positions(text.count).map { text.glyphs[$0] }))
        case .list(let list):
            try budget.charge(list.values.count, line: line)
            return .items(positions(list.values.count).map { list.values[$0] })
        case .tuple(let list):
            try budget.charge(list.values.count, line: line)
            return .tuple(TemplateList(positions(list.values.count).map { list.values[$0] }))
        case .undefined(let problem):
            throw fault(line, problem)
        default:
            throw fault(line, "a \(owner.typeName) cannot be sliced")
        }
    }

    private mutating func bound(
        _ expression: Expression?, line: Int
    ) throws(TemplateError) -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression)
        if case .none = value { return nil }
        guard let integer = value.integer else {
            throw fault(line, "a slice needs integers, not a \(value.typeName)")
        }
        return integer
    }
}

/// Python's rules for `a[start:stop:step]`.
enum SliceRange {
    static func positions(count: Int, start: Int?, stop: Int?, step: Int) -> [Int] {
        let lowest = step > 0 ? 0 : -1
        let highest = step > 0 ? count : count - 1
        func clamped(_ bound: Int) -> Int {
            let position = bound < 0 ? max(bound, -count - 1) + count : bound
            return min(max(position, lowest), highest)
        }
        let first = start.map(clamped) ?? (step > 0 ? 0 : count - 1)
        let end = stop.map(clamped) ?? (step > 0 ? count : -1)
        return Array(stride(from: first, to: end, by: step))
    }
}
