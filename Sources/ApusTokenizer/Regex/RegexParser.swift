/// Parses a pattern. What it does not know it refuses, because a pattern taken differently would
/// give other tokens without a word.
struct RegexParser {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0
    private var ignoresCase = false
    private var dotMatchesLineBreak = false

    private static let depthLimit = 50
    /// Counts are unrolled; real patterns stay far below.
    private static let countLimit = 1000

    static func parse(_ pattern: String) throws(RegexError) -> RegexNode {
        var parser = RegexParser(scalars: Array(pattern.unicodeScalars))
        let node = try parser.alternatives()
        guard parser.position == parser.scalars.count else {
            throw parser.fault("\")\" closes nothing")
        }
        return node
    }

    private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private func fault(_ problem: String) -> RegexError {
        RegexError(offset: position, problem: problem)
    }

    private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard position + wanted.count <= scalars.count,
            Array(scalars[position..<position + wanted.count]) == wanted
        else { return false }
        position += wanted.count
        return true
    }

    private mutating func alternatives() throws(RegexError) -> RegexNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else { throw fault("the pattern nests too deep") }
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .alternatives(branches)
    }

    private mutating func sequence() throws(RegexError) -> RegexNode {
        var nodes: [RegexNode] = []
        while let scalar = current, scalar != "|", scalar != ")" {
            let node = try atom()
            nodes.append(try quantified(node))
        }
        return nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }

    private mutating func atom() throws(RegexError) -> RegexNode {
        let scalar = scalars[position]
        position += 1
        switch scalar {
        case "(": return try group()
        case "[": return .set(try bracket(), ignoresCase: ignoresCase)
        case ".": return .any(includesLineBreak: dotMatchesLineBreak)
        case "^": return .assertion(.lineStart)
        case "$": return .assertion(.lineEnd)
        case "\\": return try escape()
        case "*", "+", "?":
            position -= 1
            throw fault("\"\(scalar)\" has nothing to repeat")
        default: return .scalar(scalar.value, ignoresCase: ignoresCase)
        }
    }
}

// MARK: - Groups and counts

extension RegexParser {
    private mutating func group() throws(RegexError) -> RegexNode {
        let outer = (ignoresCase, dotMatchesLineBreak)
        defer { (ignoresCase, dotMatchesLineBreak) = outer }
        if take("?=") { return .lookAhead(try groupBody(), isNegative: false) }
        if take("?!") { return .lookAhead(try groupBody(), isNegative: true) }
        if take("?<=") { return .lookBehind(try lookBehindBody(), isNegative: false) }
        if take("?<!") { return .lookBehind(try lookBehindBody(), isNegative: true) }
        if take("?>") { return .atomic(try groupBody()) }
        if take("?<") || take("?P<") {
            while let scalar = current, scalar != ">" { _ = take(String(scalar)) }
            guard take(">") else { throw fault("the name of a group is not closed") }
            return try groupBody()
        }
        if take("?#") {
            while let scalar = current, scalar != ")" { _ = take(String(scalar)) }
            guard take(")") else { throw fault("a comment is not closed") }
            return .empty
        }
        guard take("?") else { return try groupBody() }
        try options()
        if take(":") { return try groupBody() }
        guard take(")") else { throw fault("this kind of group is not supported") }
        // `(?i)` holds to the end of the group around it: the rest belongs to it.
        return try alternatives()
    }

    private mutating func options() throws(RegexError) {
        var isOn = true
        while let scalar = current, scalar != ":", scalar != ")" {
            switch scalar {
            case "-": isOn = false
            case "i": ignoresCase = isOn
            case "m": dotMatchesLineBreak = isOn
            default: throw fault("the option \"\(scalar)\" is not supported")
            }
            position += 1
        }
    }

    private mutating func groupBody() throws(RegexError) -> RegexNode {
        let body = try alternatives()
        guard take(")") else { throw fault("a group is not closed") }
        return body
    }

    private mutating func lookBehindBody() throws(RegexError) -> RegexNode {
        let body = try groupBody()
        guard let greatest = body.width.greatest, greatest <= 64 else {
            throw fault("a look-behind needs a length of at most 64 characters")
        }
        return body
    }

    private mutating func quantified(_ node: RegexNode) throws(RegexError) -> RegexNode {
        var result = node
        while let repetition = try repetition() {
            guard result.width.greatest != 0 || repetition.maximum != nil else {
                throw fault("what matches nothing cannot be repeated")
            }
            result = .repetition(result, repetition)
        }
        return result
    }

    private mutating func repetition() throws(RegexError) -> RegexRepetition? {
        var result: RegexRepetition
        if take("*") {
            result = RegexRepetition(minimum: 0, maximum: nil)
        } else if take("+") {
            result = RegexRepetition(minimum: 1, maximum: nil)
        } else if take("?") {
            result = RegexRepetition(minimum: 0, maximum: 1)
        } else {
            return try counts()
        }
        if take("?") { result.isLazy = true } else if take("+") { result.isPossessive = true }
        return result
    }

    /// `{2}`, `{2,}`, `{2,5}`, `{,5}`. A `+` behind repeats once more in this dialect, and a `?`
    /// behind a single count makes it optional. A brace that begins no count is itself.
    private mutating func counts() throws(RegexError) -> RegexRepetition? {
        let start = position
        guard take("{") else { return nil }
        let minimum = number()
        let hasComma = take(",")
        let maximum = hasComma ? number() : minimum
        guard take("}"), minimum != nil || maximum != nil else {
            position = start
            return nil
        }
        guard max(minimum ?? 0, maximum ?? 0) <= Self.countLimit, minimum ?? 0 <= maximum ?? .max
        else { throw fault("these counts are not supported") }
        var result = RegexRepetition(minimum: minimum ?? 0, maximum: maximum)
        if hasComma, take("?") { result.isLazy = true }
        return result
    }

    private mutating func number() -> Int? {
        let start = position
        while let scalar = current, ("0"..."9").contains(scalar) { position += 1 }
        guard start < position, position - start < 6 else { return nil }
        return scalars[start..<position].reduce(0) { $0 * 10 + Int($1.value) - 48 }
    }
}

// MARK: - Escapes and sets

extension RegexParser {
    private mutating func escape() throws(RegexError) -> RegexNode {
        guard let scalar = current else { throw fault("the pattern ends after \"\\\"") }
        let assertions: [Unicode.Scalar: RegexAssertion] = [
            "A": .textStart, "z": .textEnd, "Z": .lastLineEnd, "b": .wordBoundary,
            "B": .noWordBoundary,
        ]
        if let assertion = assertions[scalar] {
            position += 1
            return .assertion(assertion)
        }
        if take("w") { return .set(.bareWord, ignoresCase: false) }
        if take("W") {
            return .set(ScalarSet([.set(.bareWord)], isNegated: true), ignoresCase: false)
        }
        if let set = try escapedSet() { return .set(set, ignoresCase: ignoresCase) }
        return .scalar(try escapedScalar(), ignoresCase: ignoresCase)
    }

    /// `\d`, `\p{L}` and the like.
    private mutating func escapedSet() throws(RegexError) -> ScalarSet? {
        let sets: [Unicode.Scalar: ScalarSet] = [
            "d": .digit, "s": .space, "w": .word,
            "h": ScalarSet([.range(0x30...0x39), .range(0x41...0x46), .range(0x61...0x66)]),
        ]
        guard let scalar = current else { return nil }
        let lower = Unicode.Scalar(scalar.value | 0x20) ?? scalar
        let isNegated = scalar.value & 0x20 == 0
        if let set = sets[lower] {
            position += 1
            return isNegated ? ScalarSet([.set(set)], isNegated: true) : set
        }
        guard lower == "p" else { return nil }
        position += 1
        guard take("{") else { throw fault("\"{\" should follow \\p") }
        let isInverted = take("^")
        let start = position
        while let scalar = current, scalar != "}" { _ = take(String(scalar)) }
        var name = ""
        name.unicodeScalars.append(contentsOf: scalars[start..<position])
        guard take("}") else { throw fault("a property is not closed") }
        guard let set = ScalarSet(property: name) else {
            throw fault("the property \"\(name)\" is not known")
        }
        return isNegated != isInverted ? ScalarSet([.set(set)], isNegated: true) : set
    }

    private mutating func escapedScalar() throws(RegexError) -> UInt32 {
        guard let scalar = current else { throw fault("the pattern ends after \"\\\"") }
        position += 1
        switch scalar {
        case "n": return 10
        case "r": return 13
        case "t": return 9
        case "f": return 12
        case "v": return 11
        case "a": return 7
        case "e": return 27
        case "0": return 0
        case "x": return try hexadecimal(2)
        case "u": return try hexadecimal(4)
        default:
            let isLetterOrDigit =
                ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
                || ("1"..."9").contains(scalar)
            if isLetterOrDigit { throw fault("\"\\\(scalar)\" is not supported") }
            return scalar.value
        }
    }

    private mutating func hexadecimal(_ digitCount: Int) throws(RegexError) -> UInt32 {
        let isBraced = digitCount == 2 && take("{")
        let limit = isBraced ? 6 : digitCount
        var value: UInt32 = 0
        var count = 0
        while count < limit, let scalar = current, let digit = Character(scalar).hexDigitValue {
            value = value << 4 | UInt32(digit)
            position += 1
            count += 1
        }
        guard count > 0, !isBraced || take("}"), value < 0x110000 else {
            throw fault("a hexadecimal number should stand here")
        }
        return value
    }

    private mutating func bracket() throws(RegexError) -> ScalarSet {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else { throw fault("the pattern nests too deep") }
        let isNegated = take("^")
        // More than one where `&&` stands between them.
        var parts: [[ScalarSet.Item]] = [[]]
        var isFirst = true
        while let scalar = current, scalar != "]" || isFirst {
            isFirst = false
            if take("&&") {
                parts.append([])
            } else if take("[:") {
                parts[parts.count - 1].append(try namedClass())
            } else if take("[") {
                parts[parts.count - 1].append(.set(try bracket()))
            } else if let item = try setItem() {
                parts[parts.count - 1].append(item)
            }
        }
        guard take("]") else { throw fault("a set is not closed") }
        guard parts.count > 1 else { return ScalarSet(parts[0], isNegated: isNegated) }
        guard !ignoresCase, parts.allSatisfy({ !$0.isEmpty }) else {
            throw fault("this intersection of sets is not supported")
        }
        // In all of them: in none of what each leaves out.
        return ScalarSet(
            parts.map { .set(ScalarSet($0, isNegated: true)) }, isNegated: !isNegated)
    }

    /// `[:alpha:]`
    private mutating func namedClass() throws(RegexError) -> ScalarSet.Item {
        let isNegated = take("^")
        var name = ""
        while let scalar = current, scalar != ":" {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard take(":]"), let set = ScalarSet(property: name) else {
            throw fault("the class \"\(name)\" is not known")
        }
        return .set(isNegated ? ScalarSet([.set(set)], isNegated: true) : set)
    }

    /// A set, a character or a range of characters.
    private mutating func setItem() throws(RegexError) -> ScalarSet.Item? {
        if take("\\") {
            if let set = try escapedSet() { return .set(set) }
            return try range(from: current == "b" ? backspace() : escapedScalar())
        }
        let scalar = scalars[position].value
        position += 1
        return try range(from: scalar)
    }

    private mutating func backspace() -> UInt32 {
        position += 1
        return 8
    }

    private mutating func range(from lower: UInt32) throws(RegexError) -> ScalarSet.Item {
        let isRange =
            current == "-" && position + 1 < scalars.count && scalars[position + 1] != "]"
        guard isRange else { return .range(lower...lower) }
        position += 1
        var upper = scalars[position].value
        position += 1
        if upper == 0x5C { upper = try escapedScalar() }
        guard lower <= upper else { throw fault("a range of characters runs backwards") }
        return .range(lower...upper)
    }
}
