extension TemplateInterpreter {
    /// Filters that go through the items of a value.
    mutating func applyToItems(
        _ name: String, _ value: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        // Nothing at all is as good as an empty list for filters that go through items, except
        // these.
        let needsItems = ["join", "batch", "slice"].contains(name)
        let values = needsItems || value.isTrue ? try items(of: value, line: line) : []
        try budget.charge(values.count, line: line)
        switch name {
        case "map":
            return .iterator(over: try map(values, arguments, line: line))
        case "join":
            return .string(try join(values, arguments, line: line))
        case "batch", "slice":
            return try group(name, values, arguments, line: line)
        default:
            let isRejecting = name.hasPrefix("reject")
            var result: [TemplateValue] = []
            for value in values {
                let passes = try select(value, name.hasSuffix("attr"), arguments, line: line)
                if passes != isRejecting { result.append(value) }
            }
            return .iterator(over: result)
        }
    }

    private mutating func map(
        _ values: [TemplateValue], _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> [TemplateValue] {
        var result: [TemplateValue] = []
        if let path = arguments.named("attribute") {
            for value in values {
                var found = try lookUp(path, in: value, line: line)
                if found.isUndefined, let fallback = arguments.named("default") { found = fallback }
                result.append(found)
            }
            return result
        }
        guard let filter = arguments.positional.first?.text?.string else {
            throw fault(line, "map needs the name of a filter or an attribute")
        }
        let rest = Arguments(
            positional: Array(arguments.positional.dropFirst()), named: arguments.named)
        for value in values { result.append(try apply(filter, to: value, rest, line: line)) }
        return result
    }

    /// A member by name or index, or by several with dots between: `function.name`.
    mutating func lookUp(
        _ path: TemplateValue, in value: TemplateValue, line: Int
    ) throws(TemplateError) -> TemplateValue {
        guard let text = path.text else { return try item(path, of: value, line: line) }
        try budget.charge(manySmall: text.count, line: line)
        var current = value
        for part in text.string.split(separator: ".", omittingEmptySubsequences: false) {
            let key = Int(part).map { TemplateValue.int($0) } ?? .text(String(part))
            current = try item(key, of: current, line: line)
        }
        return current
    }

    private mutating func item(
        _ key: TemplateValue, of value: TemplateValue, line: Int
    ) throws(TemplateError) -> TemplateValue {
        let literal = Expression(line: line, form: .literal(key))
        let owner = Expression(line: line, form: .literal(value))
        return try evaluate(Expression(line: line, form: .subscript_(owner, literal)))
    }

    private mutating func select(
        _ value: TemplateValue, _ byAttribute: Bool, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> Bool {
        var rest = arguments.positional[...]
        var subject = value
        if byAttribute {
            guard let path = rest.popFirst() else { throw fault(line, "the attribute is missing") }
            subject = try lookUp(path, in: value, line: line)
        }
        guard let name = rest.popFirst() else { return subject.isTrue }
        guard let test = name.text?.string else { throw fault(line, "a test is named by a string") }
        return try self.test(test, subject, Array(rest), line: line)
    }

    private mutating func join(
        _ values: [TemplateValue], _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateText {
        let separator =
            try arguments.value(0, "d").map { value throws(TemplateError) in
                try printed(value, line: line)
            } ?? TemplateText()
        let path = arguments.value(1, "attribute")
        var result = TemplateText()
        for (index, value) in values.enumerated() {
            if index > 0 { result.glyphs += separator.glyphs }
            let item =
                try path.map { path throws(TemplateError) in
                    try lookUp(path, in: value, line: line)
                } ?? value
            result.glyphs += try printed(item, line: line).glyphs
            try budget.charge(separator.count, line: line)
        }
        try budget.charge(result.count, line: line)
        return result
    }

    /// `batch`: rows of n; `slice`: n columns.
    private mutating func group(
        _ name: String, _ values: [TemplateValue], _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        guard let count = arguments.positional.first?.integer, count > 0, count <= 100_000 else {
            throw fault(line, "\(name) needs a number of at least 1")
        }
        let fill = arguments.value(1, "fill_with")
        var groups: [TemplateValue] = []
        if name == "batch" {
            try budget.charge(fill == nil ? 0 : count, line: line)
            for start in stride(from: 0, to: values.count, by: count) {
                var row = Array(values[start..<min(start + count, values.count)])
                if let fill { row += Array(repeating: fill, count: count - row.count) }
                groups.append(.items(row))
            }
            return .iterator(over: groups)
        }
        try budget.charge(count, line: line)
        var start = 0
        for index in 0..<count {
            let isLong = index < values.count % count
            let end = start + values.count / count + (isLong ? 1 : 0)
            var column = Array(values[start..<end])
            if let fill, !isLong, values.count % count > 0 { column.append(fill) }
            groups.append(.items(column))
            start = end
        }
        return .iterator(over: groups)
    }
}

// MARK: - Order

extension TemplateInterpreter {
    /// Filters that compare items with each other.
    mutating func order(
        _ name: String, _ value: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        if name == "dictsort" { return try sortedPairs(value, arguments, line: line) }
        let values = try items(of: value, line: line)
        try budget.charge(values.count, line: line)
        let attribute =
            name == "sort" ? arguments.value(2, "attribute") : arguments.named("attribute")
        let ignoresCase =
            !(arguments.value(name == "sort" ? 1 : 0, "case_sensitive")?.isTrue ?? false)
        switch name {
        case "sum":
            var total = arguments.named("start") ?? .int(0)
            for value in values {
                let item = try key(of: value, attribute, ignoresCase: false, line: line)
                total = try combine(.add, total, item, line: line)
            }
            return total
        case "unique":
            var seen: [TemplateValue] = []
            var result: [TemplateValue] = []
            for value in values {
                let key = try key(of: value, attribute, ignoresCase: ignoresCase, line: line)
                if try contains(.items(seen), key, line: line) { continue }
                seen.append(key)
                result.append(value)
            }
            return .iterator(over: result)
        case "groupby":
            let path = arguments.value(0, "attribute")
            return try grouped(values, by: path, line: line)
        default:
            let isReversed = name == "sort" && arguments.value(0, "reverse")?.isTrue ?? false
            var keyed: [(key: TemplateValue, value: TemplateValue)] = []
            for value in values {
                keyed.append(
                    (try key(of: value, attribute, ignoresCase: ignoresCase, line: line), value))
            }
            if name == "sort" {
                return .items(try sorted(keyed, isReversed: isReversed, line: line).map(\.value))
            }
            return try extreme(keyed, isLeast: name == "min", line: line)
        }
    }

    private mutating func key(
        of value: TemplateValue, _ attribute: TemplateValue?, ignoresCase: Bool, line: Int
    ) throws(TemplateError) -> TemplateValue {
        var key = value
        if let attribute, attribute.isTrue { key = try lookUp(attribute, in: value, line: line) }
        guard ignoresCase, case .string(let text) = key else { return key }
        try budget.charge(text.count, line: line)
        return .string(TextCase.apply("lower", to: text))
    }

    private mutating func extreme(
        _ keyed: [(key: TemplateValue, value: TemplateValue)], isLeast: Bool, line: Int
    ) throws(TemplateError) -> TemplateValue {
        guard var best = keyed.first else {
            return .undefined("there is no item in an empty sequence")
        }
        for candidate in keyed.dropFirst() {
            let (first, second) = isLeast ? (candidate, best) : (best, candidate)
            if try isLess(first.key, second.key, line: line) { best = candidate }
        }
        return best.value
    }

    /// A stable merge sort that can fail, as a comparison of a string and a number does.
    private mutating func sorted(
        _ keyed: [(key: TemplateValue, value: TemplateValue)], isReversed: Bool, line: Int
    ) throws(TemplateError) -> [(key: TemplateValue, value: TemplateValue)] {
        guard keyed.count > 1 else { return keyed }
        let middle = keyed.count / 2
        let left = try sorted(Array(keyed[..<middle]), isReversed: isReversed, line: line)
        let right = try sorted(Array(keyed[middle...]), isReversed: isReversed, line: line)
        try budget.charge(keyed.count, line: line)
        var result: [(key: TemplateValue, value: TemplateValue)] = []
        var (i, j) = (0, 0)
        while i < left.count, j < right.count {
            let takesRight =
                isReversed
                ? try isLess(left[i].key, right[j].key, line: line)
                : try isLess(right[j].key, left[i].key, line: line)
            result.append(takesRight ? right[j] : left[i])
            if takesRight { j += 1 } else { i += 1 }
        }
        return result + left[i...] + right[j...]
    }

    private mutating func sortedPairs(
        _ value: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        guard case .dict(let dict) = value else {
            throw fault(line, "dictsort needs a dict, not a \(value.typeName)")
        }
        let ignoresCase = !(arguments.value(0, "case_sensitive")?.isTrue ?? false)
        let byValue = arguments.value(1, "by")?.text == TemplateText("value")
        let isReversed = arguments.value(2, "reverse")?.isTrue ?? false
        var keyed: [(key: TemplateValue, value: TemplateValue)] = []
        for pair in dict.pairs {
            let subject = byValue ? pair.value : pair.key
            let key = try key(of: subject, nil, ignoresCase: ignoresCase, line: line)
            keyed.append((key, .tuple(TemplateList([pair.key, pair.value]))))
        }
        return .items(try sorted(keyed, isReversed: isReversed, line: line).map(\.value))
    }

    private mutating func grouped(
        _ values: [TemplateValue], by path: TemplateValue?, line: Int
    ) throws(TemplateError) -> TemplateValue {
        guard let path else { throw fault(line, "groupby needs an attribute") }
        var keyed: [(key: TemplateValue, value: TemplateValue)] = []
        for value in values { keyed.append((try lookUp(path, in: value, line: line), value)) }
        var groups: [(TemplateValue, [TemplateValue])] = []
        for item in try sorted(keyed, isReversed: false, line: line) {
            if let last = groups.last, try areEqual(last.0, item.key, line: line) {
                groups[groups.count - 1].1.append(item.value)
            } else {
                groups.append((item.key, [item.value]))
            }
        }
        return .items(groups.map { .tuple(TemplateList([$0.0, .items($0.1)])) })
    }
}
