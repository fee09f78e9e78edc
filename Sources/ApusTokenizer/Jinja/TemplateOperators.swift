internal import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension TemplateInterpreter {
    /// The elements that a loop or filter goes through: of a dict its keys, of a string its
    /// characters.
    mutating func items(
        of value: TemplateValue, line: Int
    ) throws(TemplateError) -> [TemplateValue] {
        switch value {
        case .list(let list), .tuple(let list), .iterator(let list):
            return list.values
        case .dict(let dict):
            return dict.keys
        case .string(let text):
            try budget.charge(text.count, line: line)
            return text.glyphs.map { .string(TemplateText(glyphs: [$0])) }
        case .undefined:
            return []
        case .loop(let loop):
            return loop.items.values
        default:
            throw fault(line, "a \(value.typeName) cannot be gone through")
        }
    }

    func negate(_ value: TemplateValue, line: Int) throws(TemplateError) -> TemplateValue {
        if let integer = value.integer, integer != .min { return .int(-integer) }
        if case .float(let number) = value { return .float(-number) }
        throw fault(line, "a \(value.typeName) cannot be negated")
    }

    mutating func combine(
        _ operation: BinaryOperator, _ left: TemplateValue, _ right: TemplateValue, line: Int
    ) throws(TemplateError) -> TemplateValue {
        for case .undefined(let problem) in [left, right] { throw fault(line, problem) }
        if let first = left.integer, let second = right.integer {
            return try combine(operation, first, second, line: line)
        }
        if let first = left.number, let second = right.number {
            return try combine(operation, first, second, line: line)
        }
        switch (operation, left, right) {
        case (.add, .string(let first), .string(let second)):
            try budget.charge(first.count + second.count, line: line)
            return .string(first + second)
        case (.add, .list(let first), .list(let second)):
            try budget.charge(first.values.count + second.values.count, line: line)
            return .items(first.values + second.values)
        case (.add, .tuple(let first), .tuple(let second)):
            try budget.charge(first.values.count + second.values.count, line: line)
            return .tuple(TemplateList(first.values + second.values))
        case (.multiply, .string(let text), _) where right.integer != nil:
            return .string(try repeated(text, right.integer ?? 0, line: line))
        case (.multiply, _, .string(let text)) where left.integer != nil:
            return .string(try repeated(text, left.integer ?? 0, line: line))
        case (.multiply, .list(let list), _) where right.integer != nil:
            let count = max(right.integer ?? 0, 0)
            try chargeRepetition(list.values.count, count, line: line)
            return .items(Array(repeatElement(list.values, count: count).joined()))
        case (.modulo, .string(let format), _):
            try budget.charge(format.count, line: line)
            return .string(try formatted(format, right, line: line))
        default:
            throw fault(
                line, "\(left.typeName) \(operation.rawValue) \(right.typeName) has no meaning")
        }
    }

    private mutating func chargeRepetition(
        _ length: Int, _ count: Int, line: Int
    ) throws(TemplateError) {
        let (total, overflow) = length.multipliedReportingOverflow(by: count)
        try budget.charge(overflow ? Int.max : max(total, count), line: line)
    }

    mutating func repeated(
        _ text: TemplateText, _ count: Int, line: Int
    ) throws(TemplateError) -> TemplateText {
        let count = max(count, 0)
        try chargeRepetition(text.count, count, line: line)
        return TemplateText(glyphs: repeatElement(text.glyphs, count: count).joined())
    }

    private func combine(
        _ operation: BinaryOperator, _ left: Int, _ right: Int, line: Int
    ) throws(TemplateError) -> TemplateValue {
        func checked(_ result: (partialValue: Int, overflow: Bool)) throws(TemplateError)
            -> TemplateValue
        {
            guard !result.overflow else { throw fault(line, "the integer is too large") }
            return .int(result.partialValue)
        }
        switch operation {
        case .add: return try checked(left.addingReportingOverflow(right))
        case .subtract: return try checked(left.subtractingReportingOverflow(right))
        case .multiply: return try checked(left.multipliedReportingOverflow(by: right))
        case .divide, .floorDivide, .modulo:
            guard right != 0 else { throw fault(line, "division by zero") }
            if operation == .divide { return .float(Double(left) / Double(right)) }
            guard left != .min || right != -1 else { throw fault(line, "the integer is too large") }
            let remainder = left % right
            let isMixed = remainder != 0 && (remainder < 0) != (right < 0)
            if operation == .modulo { return .int(isMixed ? remainder + right : remainder) }
            return .int(left / right - (isMixed ? 1 : 0))
        case .power:
            return try power(left, right, line: line)
        }
    }

    private func power(
        _ base: Int, _ exponent: Int, line: Int
    ) throws(TemplateError) -> TemplateValue {
        if exponent < 0 { return .float(pow(Double(base), Double(exponent))) }
        if abs(Double(base)) < 2 {
            return .int(base == -1 && exponent % 2 == 0 ? 1 : exponent == 0 ? 1 : base)
        }
        var result = 1
        for _ in 0..<min(exponent, 64) {
            let (product, overflow) = result.multipliedReportingOverflow(by: base)
            guard !overflow else { throw fault(line, "the integer is too large") }
            result = product
        }
        return .int(result)
    }

    private func combine(
        _ operation: BinaryOperator, _ left: Double, _ right: Double, line: Int
    ) throws(TemplateError) -> TemplateValue {
        switch operation {
        case .add: return .float(left + right)
        case .subtract: return .float(left - right)
        case .multiply: return .float(left * right)
        case .power: return .float(pow(left, right))
        case .divide, .floorDivide, .modulo:
            guard right != 0 else { throw fault(line, "division by zero") }
            if operation == .divide { return .float(left / right) }
            let quotient = (left / right).rounded(.down)
            return .float(operation == .floorDivide ? quotient : left - quotient * right)
        }
    }
}

// MARK: - Comparison

extension TemplateInterpreter {
    mutating func compare(
        _ operation: ComparisonOperator, _ left: TemplateValue, _ right: TemplateValue, line: Int
    ) throws(TemplateError) -> Bool {
        switch operation {
        case .equal: return try areEqual(left, right, line: line)
        case .notEqual: return try !areEqual(left, right, line: line)
        case .isIn: return try contains(right, left, line: line)
        case .isNotIn: return try !contains(right, left, line: line)
        case .less: return try isLess(left, right, line: line)
        case .greater: return try isLess(right, left, line: line)
        case .lessOrEqual: return try isLess(left, right, orEqual: true, line: line)
        case .greaterOrEqual: return try isLess(right, left, orEqual: true, line: line)
        }
    }

    mutating func areEqual(
        _ left: TemplateValue, _ right: TemplateValue, line: Int
    ) throws(TemplateError) -> Bool {
        try budget.charge(1, line: line)
        if let first = left.number, let second = right.number { return first == second }
        switch (left, right) {
        case (.none, .none), (.undefined, .undefined):
            return true
        case (.string(let first), .string(let second)):
            guard first.count == second.count else { return false }
            try budget.charge(first.count / 8, line: line)
            return first == second
        case (.list(let first), .list(let second)), (.tuple(let first), .tuple(let second)):
            guard first.values.count == second.values.count else { return false }
            for (one, other) in zip(first.values, second.values) {
                guard try areEqual(one, other, line: line) else { return false }
            }
            return true
        case (.dict(let first), .dict(let second)):
            guard first.keys.count == second.keys.count else { return false }
            try budget.charge(manySmall: first.keys.count, line: line)
            for (key, value) in first.pairs {
                guard let other = second[key], try areEqual(value, other, line: line) else {
                    return false
                }
            }
            return true
        case (.namespace(let first), .namespace(let second)):
            return first === second
        default:
            return false
        }
    }

    /// `value in container`
    mutating func contains(
        _ container: TemplateValue, _ value: TemplateValue, line: Int
    ) throws(TemplateError) -> Bool {
        switch container {
        case .string(let text):
            guard let part = value.text else {
                if case .undefined(let problem) = value { throw fault(line, problem) }
                throw fault(line, "a string cannot contain a \(value.typeName)")
            }
            try budget.charge(product: text.count, part.count, line: line)
            return text.firstIndex(of: part) != nil
        case .dict(let dict):
            try budget.charge(manySmall: value.text?.count ?? 0, line: line)
            return dict[value] != nil
        default:
            for element in try items(of: container, line: line)
            where try areEqual(element, value, line: line) { return true }
            return false
        }
    }

    mutating func isLess(
        _ left: TemplateValue, _ right: TemplateValue, orEqual: Bool = false, line: Int
    ) throws(TemplateError) -> Bool {
        if let first = left.number, let second = right.number {
            return orEqual ? first <= second : first < second
        }
        switch (left, right) {
        case (.string(let first), .string(let second)):
            try budget.charge(min(first.count, second.count) / 8, line: line)
            return orEqual ? !(second < first) : first < second
        case (.list(let first), .list(let second)), (.tuple(let first), .tuple(let second)):
            for (one, other) in zip(first.values, second.values) {
                if try areEqual(one, other, line: line) { continue }
                return try isLess(one, other, orEqual: orEqual, line: line)
            }
            let (count, otherCount) = (first.values.count, second.values.count)
            return orEqual ? count <= otherCount : count < otherCount
        case (.undefined(let problem), _), (_, .undefined(let problem)):
            throw fault(line, problem)
        default:
            throw fault(line, "\(left.typeName) and \(right.typeName) have no order")
        }
    }
}
