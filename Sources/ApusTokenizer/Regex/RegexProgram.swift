/// A pattern compiled for matching by backtracking. Every place where it chose is tried at most
/// once at every position, so that the time of one attempt grows with the length of the text times
/// that of the pattern, never exponentially.
struct RegexProgram: Sendable {
    /// Plain numbers, so that nothing is counted while a program runs: sets and the programs of
    /// groups stand in lists beside.
    enum Instruction: Sendable {
        case scalar(UInt32)
        case set(Int)
        /// Goes on at the first, and when that fails at the second.
        case choice(Int, Int)
        case jump(Int)
        case assertion(RegexAssertion)
        case lookAhead(Int, isNegative: Bool)
        case lookBehind(Int, isNegative: Bool)
        case atomic(Int)
        case match
    }

    var instructions: [Instruction] = []
    private var sets: [CharacterTest] = []
    /// Of the sets that categories do not tell.
    private var predicates: [@Sendable (UInt32) -> Bool] = []
    private let table = ScalarTable.shared
    var programs: [RegexProgram] = []
    /// By look-behind: how many characters before the place its match may begin.
    var widths: [Int: ClosedRange<Int>] = [:]
    /// By instruction: the ASCII characters with which a match from there on may begin.
    var firsts: [ASCIISet] = []

    /// Counts multiply when they nest; no published pattern comes near.
    private static let sizeLimit = 20_000

    /// Throws ``RegexError`` for a pattern that is not supported or far too large.
    init(_ pattern: String) throws(RegexError) {
        try self.init(try RegexParser.parse(pattern))
    }

    private init(_ node: RegexNode) throws(RegexError) {
        try compile(node)
        instructions.append(.match)
        firsts = findFirsts()
    }

    private mutating func addSet(_ accepts: @escaping @Sendable (UInt32) -> Bool) {
        predicates.append(accepts)
        let beyond = CharacterTest.Beyond.predicate(predicates.count - 1)
        instructions.append(.set(sets.count))
        sets.append(CharacterTest(ascii: ASCIISet(accepts), beyond: beyond))
    }

    private mutating func add(_ set: ScalarSet) {
        guard let beyond = CharacterTest.Beyond(set) else {
            return addSet { set.contains($0) }
        }
        instructions.append(.set(sets.count))
        sets.append(CharacterTest(ascii: ASCIISet { set.contains($0) }, beyond: beyond))
    }

    /// Whether the character is in the set.
    @inline(__always)
    func accepts(_ set: Int, _ scalar: UInt32) -> Bool {
        if scalar < 0x80 { return sets[set].ascii.contains(UInt8(scalar)) }
        switch sets[set].beyond {
        case .predicate(let number): return predicates[number](scalar)
        case .categories(let categories, let hasWhiteSpace, let isNegated):
            let isInside =
                table.contains(scalar, in: categories)
                || hasWhiteSpace && table.isWhiteSpace(scalar)
            return isInside != isNegated
        }
    }

    /// Returns the number of the program.
    private mutating func add(_ program: RegexProgram) -> Int {
        programs.append(program)
        return programs.count - 1
    }

    /// Backwards, as nearly all lead forwards: what a loop leads back to counts as anything.
    private func findFirsts() -> [ASCIISet] {
        var firsts = [ASCIISet](repeating: .all, count: instructions.count)
        for index in instructions.indices.reversed() {
            switch instructions[index] {
            case .scalar(let scalar): firsts[index] = ASCIISet { $0 == scalar }
            case .set(let set): firsts[index] = sets[set].ascii
            case .choice(let next, let otherwise):
                firsts[index] = firsts[next].union(firsts[otherwise])
            case .jump(let target): firsts[index] = firsts[target]
            default: break
            }
        }
        return firsts
    }

    private mutating func compile(_ node: RegexNode) throws(RegexError) {
        guard instructions.count < Self.sizeLimit else {
            throw RegexError(offset: 0, problem: "the pattern is too large")
        }
        switch node {
        case .empty: break
        case .scalar(let scalar, let ignoresCase):
            guard ignoresCase else { return instructions.append(.scalar(scalar)) }
            let variants = CaseVariants.of(scalar)
            addSet { CaseVariants.of($0).contains { variants.contains($0) } }
        case .any(let includesLineBreak):
            addSet { includesLineBreak || $0 != 10 }
        case .set(let set, let ignoresCase):
            guard ignoresCase else { return add(set) }
            addSet { set.contains($0, ignoringCase: true) }
        case .sequence(let nodes):
            for node in nodes { try compile(node) }
        case .alternatives(let nodes): try compile(alternatives: nodes)
        case .repetition(let node, let repetition):
            if repetition.isPossessive {
                var plain = repetition
                plain.isPossessive = false
                instructions.append(.atomic(add(try RegexProgram(.repetition(node, plain)))))
            } else {
                try compile(node, repetition)
            }
        case .assertion(let assertion): instructions.append(.assertion(assertion))
        case .lookAhead(let node, let isNegative):
            instructions.append(.lookAhead(add(try RegexProgram(node)), isNegative: isNegative))
        case .lookBehind(let node, let isNegative):
            let width = node.width
            let program = add(try RegexProgram(node))
            widths[program] = width.least...max(width.least, width.greatest ?? width.least)
            instructions.append(.lookBehind(program, isNegative: isNegative))
        case .atomic(let node): instructions.append(.atomic(add(try RegexProgram(node))))
        }
    }

    private mutating func compile(alternatives nodes: [RegexNode]) throws(RegexError) {
        var jumps: [Int] = []
        for (index, node) in nodes.enumerated() {
            guard index < nodes.count - 1 else {
                try compile(node)
                break
            }
            let choice = instructions.count
            instructions.append(.choice(choice + 1, 0))
            try compile(node)
            jumps.append(instructions.count)
            instructions.append(.jump(0))
            instructions[choice] = .choice(choice + 1, instructions.count)
        }
        for jump in jumps { instructions[jump] = .jump(instructions.count) }
    }

    private mutating func compile(
        _ node: RegexNode, _ repetition: RegexRepetition
    ) throws(RegexError) {
        for _ in 0..<repetition.minimum { try compile(node) }
        guard let maximum = repetition.maximum else {
            let choice = instructions.count
            instructions.append(.jump(0))
            try compile(node)
            instructions.append(.jump(choice))
            instructions[choice] = branch(to: choice + 1, or: instructions.count, repetition)
            return
        }
        var choices: [Int] = []
        for _ in repetition.minimum..<max(maximum, repetition.minimum) {
            choices.append(instructions.count)
            instructions.append(.jump(0))
            try compile(node)
        }
        let end = instructions.count
        for choice in choices { instructions[choice] = branch(to: choice + 1, or: end, repetition) }
    }

    private func branch(to body: Int, or end: Int, _ repetition: RegexRepetition) -> Instruction {
        repetition.isLazy ? .choice(end, body) : .choice(body, end)
    }
}

/// ASCII characters, a bit for each.
struct ASCIISet: Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    static let all = ASCIISet { _ in true }

    init(_ contains: (UInt32) -> Bool) {
        for scalar in UInt32(0)..<64 where contains(scalar) { low |= 1 << UInt64(scalar) }
        for scalar in UInt32(64)..<128 where contains(scalar) { high |= 1 << UInt64(scalar - 64) }
    }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        (byte < 64 ? low >> UInt64(byte) : high >> UInt64(byte & 63)) & 1 != 0
    }

    func union(_ other: ASCIISet) -> ASCIISet {
        var result = self
        result.low |= other.low
        result.high |= other.high
        return result
    }
}

/// Whether a character is of a kind: numbers only, which nobody has to count references of.
struct CharacterTest: Sendable {
    let ascii: ASCIISet
    let beyond: Beyond

    /// What tells about all other characters.
    enum Beyond: Sendable {
        case categories(CategorySet, hasWhiteSpace: Bool, isNegated: Bool)
        /// One of the program's.
        case predicate(Int)

        /// Nil for a set with more than categories and white space beyond ASCII.
        init?(_ set: ScalarSet) {
            var (categories, hasWhiteSpace): (CategorySet, Bool) = ([], false)
            for item in set.items {
                switch item {
                case .range(let range) where range.upperBound < 0x80: continue
                case .categories(let more): categories.formUnion(more)
                case .whiteSpace: hasWhiteSpace = true
                case .set(let inner):
                    guard case .categories(let more, let hasMore, isNegated: false)? = Self(inner)
                    else { return nil }
                    categories.formUnion(more)
                    hasWhiteSpace = hasWhiteSpace || hasMore
                case .range, .ranges: return nil
                }
            }
            self = .categories(categories, hasWhiteSpace: hasWhiteSpace, isNegated: set.isNegated)
        }
    }
}
