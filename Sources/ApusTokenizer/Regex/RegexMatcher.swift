/// Runs programs over one text.
struct RegexMatcher {
    private let base: UnsafePointer<UInt8>
    private let range: Range<Int>
    /// Bounds the time of a search in hostile text; what is left over does not match.
    private var steps: Int
    /// Places to go back to; those of a group stand above those of what it is in.
    private var pending: [Pending] = []

    private struct Pending {
        let instruction: Int
        let position: Int
    }

    /// From this many choices of one attempt on it is remembered which were tried. Attempts are
    /// short but for hostile texts and patterns.
    private static let choiceLimit = 200

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
            let end = mayBegin(program, 0, at: start) ? end(of: program, from: start) : nil
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

    /// Whether a match of the rest of the program may begin here, as far as ASCII tells.
    @inline(__always)
    private func mayBegin(_ program: RegexProgram, _ instruction: Int, at position: Int) -> Bool {
        guard position < range.upperBound, base[position] < 0x80 else { return true }
        return program.firsts[instruction].contains(base[position])
    }

    /// Where the first way to match from `start` ends.
    private mutating func end(
        of program: RegexProgram, from start: Int, endingAt wanted: Int? = nil
    ) -> Int? {
        let bottom = pending.count
        defer { pending.removeLast(pending.count - bottom) }
        var tried: Set<Int> = []
        var choices = 0
        var (instruction, position) = (0, start)
        while true {
            steps -= 1
            if steps < 0 { return nil }
            switch program.instructions[instruction] {
            case .match:
                if wanted == nil || wanted == position { return position }
            case .choice(let next, let otherwise):
                choices += 1
                let key = (position - start) * program.instructions.count + instruction
                if choices < Self.choiceLimit || tried.insert(key).inserted {
                    if !mayBegin(program, next, at: position) {
                        instruction = otherwise
                    } else {
                        if mayBegin(program, otherwise, at: position) {
                            pending.append(Pending(instruction: otherwise, position: position))
                        }
                        instruction = next
                    }
                    continue
                }
            default:
                if let moved = step(program, instruction, position) {
                    (instruction, position) = moved
                    continue
                }
            }
            guard pending.count > bottom, let place = pending.popLast() else { return nil }
            (instruction, position) = (place.instruction, place.position)
        }
    }

    /// One instruction that does not choose: where it leads, or nil when it fails.
    @inline(__always)
    private mutating func step(
        _ program: RegexProgram, _ instruction: Int, _ position: Int
    ) -> (instruction: Int, position: Int)? {
        switch program.instructions[instruction] {
        case .scalar(let wanted):
            guard position < range.upperBound else { return nil }
            let (scalar, length) = base.scalar(at: position)
            return scalar == wanted ? (instruction + 1, position + length) : nil
        case .set(let set):
            guard position < range.upperBound else { return nil }
            let (scalar, length) = base.scalar(at: position)
            return program.accepts(set, scalar) ? (instruction + 1, position + length) : nil
        case .jump(let target):
            return (target, position)
        case .assertion(let assertion):
            return holds(assertion, at: position) ? (instruction + 1, position) : nil
        case .lookAhead(let inner, let isNegative):
            let isThere = end(of: program.programs[inner], from: position) != nil
            return isThere != isNegative ? (instruction + 1, position) : nil
        case .lookBehind(let inner, let isNegative):
            return isBehind(program, inner, position) != isNegative
                ? (instruction + 1, position) : nil
        case .atomic(let inner):
            return end(of: program.programs[inner], from: position).map { (instruction + 1, $0) }
        case .choice, .match:
            return nil
        }
    }

    private mutating func isBehind(_ program: RegexProgram, _ inner: Int, _ position: Int) -> Bool {
        let widths = program.widths[inner] ?? 0...0
        var start = position
        for width in 0...widths.upperBound {
            let reaches = widths.contains(width)
            if reaches, end(of: program.programs[inner], from: start, endingAt: position) != nil {
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
