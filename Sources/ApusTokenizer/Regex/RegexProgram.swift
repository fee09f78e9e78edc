/// A pattern compiled for matching by backtracking. Every place where it chose is tried at most
/// once at every position, so that the time of one attempt grows with the length of the text times
/// that of the pattern, never exponentially.
struct RegexProgram: Sendable {
    fileprivate enum Instruction: Sendable {
        case scalar(UInt32, ignoresCase: Bool)
        case any(includesLineBreak: Bool)
        case set(Int, ignoresCase: Bool)
        /// Goes on at the first, and when that fails at the second.
        case choice(Int, Int)
        case jump(Int)
        case assertion(RegexAssertion)
        case lookAhead(RegexProgram, isNegative: Bool)
        case lookBehind(RegexProgram, widths: ClosedRange<Int>, isNegative: Bool)
        case atomic(RegexProgram)
        case match
    }

    fileprivate var instructions: [Instruction] = []
    fileprivate var sets: [ScalarSet] = []

    /// Counts multiply when they nest; no published pattern comes near.
    private static let sizeLimit = 20_000

    /// Throws ``RegexError`` for a pattern that is not supported or far too large.
    init(_ pattern: String) throws(RegexError) {
        try self.init(try RegexParser.parse(pattern))
    }

    private init(_ node: RegexNode) throws(RegexError) {
        try compile(node)
        instructions.append(.match)
    }

    private mutating func compile(_ node: RegexNode) throws(RegexError) {
        guard instructions.count < Self.sizeLimit else {
            throw RegexError(offset: 0, problem: "the pattern is too large")
        }
        switch node {
        case .empty: break
        case .scalar(let scalar, let ignoresCase):
            instructions.append(.scalar(scalar, ignoresCase: ignoresCase))
        case .any(let includesLineBreak):
            instructions.append(.any(includesLineBreak: includesLineBreak))
        case .set(let set, let ignoresCase):
            sets.append(set)
            instructions.append(.set(sets.count - 1, ignoresCase: ignoresCase))
        case .sequence(let nodes):
            for node in nodes { try compile(node) }
        case .alternatives(let nodes): try compile(alternatives: nodes)
        case .repetition(let node, let repetition):
            if repetition.isPossessive {
                var plain = repetition
                plain.isPossessive = false
                instructions.append(.atomic(try RegexProgram(.repetition(node, plain))))
            } else {
                try compile(node, repetition)
            }
        case .assertion(let assertion): instructions.append(.assertion(assertion))
        case .lookAhead(let node, let isNegative):
            instructions.append(.lookAhead(try RegexProgram(node), isNegative: isNegative))
        case .lookBehind(let node, let isNegative):
            let width = node.width
            let widths = width.least...max(width.least, width.greatest ?? width.least)
            let program = try RegexProgram(node)
            instructions.append(.lookBehind(program, widths: widths, isNegative: isNegative))
        case .atomic(let node): instructions.append(.atomic(try RegexProgram(node)))
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

/// Runs programs over one text.
struct RegexMatcher {
    private let base: UnsafePointer<UInt8>
    private let range: Range<Int>
    /// Bounds the time of a search in hostile text; what is left over does not match.
    private var steps: Int

    init?(_ text: ByteBuffer, _ range: Range<Int>) {
        guard let base = text.baseAddress else { return nil }
        self.base = base
        self.range = range
        steps = 1_000_000 + range.count * 2000
    }

    /// All matches, left to right, none overlapping. An empty match does not touch the one before.
    mutating func matches(of program: RegexProgram) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = range.lowerBound
        while start <= range.upperBound {
            let end = end(of: program, from: start)
            let isRepeated = end == start && result.last?.upperBound == start
            if let end, !isRepeated {
                result.append(start..<end)
                if end > start {
                    start = end
                    continue
                }
            }
            guard start < range.upperBound else { break }
            start += base.scalar(at: start).length
        }
        return result
    }

    /// Where the first way to match from `start` ends.
    private mutating func end(
        of program: RegexProgram, from start: Int, endingAt wanted: Int? = nil
    ) -> Int? {
        var pending: [(instruction: Int, position: Int)] = [(0, start)]
        var tried: Set<Int> = []
        while let (first, from) = pending.popLast() {
            var (instruction, position) = (first, from)
            while true {
                steps -= 1
                if steps < 0 { return nil }
                if case .match = program.instructions[instruction] {
                    if wanted == nil || wanted == position { return position }
                    break
                }
                if case .choice(let next, let otherwise) = program.instructions[instruction] {
                    let key = (position - start) * program.instructions.count + instruction
                    guard tried.insert(key).inserted else { break }
                    pending.append((otherwise, position))
                    instruction = next
                    continue
                }
                guard let moved = step(program, instruction, position) else { break }
                (instruction, position) = moved
            }
        }
        return nil
    }

    /// One instruction that does not choose: where it leads, or nil when it fails.
    private mutating func step(
        _ program: RegexProgram, _ instruction: Int, _ position: Int
    ) -> (instruction: Int, position: Int)? {
        switch program.instructions[instruction] {
        case .scalar, .any, .set:
            guard position < range.upperBound else { return nil }
            let (scalar, length) = base.scalar(at: position)
            guard accepts(program, instruction, scalar) else { return nil }
            return (instruction + 1, position + length)
        case .jump(let target):
            return (target, position)
        case .assertion(let assertion):
            return holds(assertion, at: position) ? (instruction + 1, position) : nil
        case .lookAhead(let inner, let isNegative):
            let isThere = end(of: inner, from: position) != nil
            return isThere != isNegative ? (instruction + 1, position) : nil
        case .lookBehind(let inner, let widths, let isNegative):
            let isThere = isBehind(inner, widths, position)
            return isThere != isNegative ? (instruction + 1, position) : nil
        case .atomic(let inner):
            return end(of: inner, from: position).map { (instruction + 1, $0) }
        case .choice, .match:
            return nil
        }
    }

    private func accepts(_ program: RegexProgram, _ instruction: Int, _ scalar: UInt32) -> Bool {
        switch program.instructions[instruction] {
        case .scalar(let wanted, let ignoresCase):
            scalar == wanted
                || ignoresCase
                    && CaseVariants.of(scalar).contains {
                        CaseVariants.of(wanted).contains($0)
                    }
        case .any(let includesLineBreak): includesLineBreak || scalar != 10
        case .set(let index, let ignoresCase):
            program.sets[index].contains(scalar, ignoringCase: ignoresCase)
        default: false
        }
    }

    private mutating func isBehind(
        _ program: RegexProgram, _ widths: ClosedRange<Int>, _ position: Int
    ) -> Bool {
        var start = position
        for width in 0...widths.upperBound {
            if widths.contains(width), end(of: program, from: start, endingAt: position) != nil {
                return true
            }
            guard start > range.lowerBound else { return false }
            start = base.scalarStart(before: start)
        }
        return false
    }

    private func holds(_ assertion: RegexAssertion, at position: Int) -> Bool {
        let isStart = position == range.lowerBound
        let isEnd = position == range.upperBound
        switch assertion {
        case .textStart: return isStart
        case .textEnd: return isEnd
        case .lineStart: return isStart || base[position - 1] == 10 && !isEnd
        case .lineEnd: return isEnd || base[position] == 10
        case .lastLineEnd:
            return isEnd || base[position] == 10 && position + 1 == range.upperBound
        case .wordBoundary, .noWordBoundary:
            let before = !isStart && isWord(at: base.scalarStart(before: position))
            let after = !isEnd && isWord(at: position)
            return (before != after) == (assertion == .wordBoundary)
        }
    }

    private func isWord(at position: Int) -> Bool {
        ScalarSet.bareWord.contains(base.scalar(at: position).value)
    }
}
