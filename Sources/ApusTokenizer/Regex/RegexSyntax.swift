/// The parts of a pattern, in the dialect of Oniguruma (Ruby), which `tokenizer.json` files use.
indirect enum RegexNode: Sendable {
    case empty
    case scalar(UInt32, ignoresCase: Bool)
    case any(includesLineBreak: Bool)
    case set(ScalarSet, ignoresCase: Bool)
    case sequence([RegexNode])
    case alternatives([RegexNode])
    case repetition(RegexNode, RegexRepetition)
    case assertion(RegexAssertion)
    /// `(?=...)`, `(?!...)`
    case lookAhead(RegexNode, isNegative: Bool)
    /// `(?<=...)`, `(?<!...)`
    case lookBehind(RegexNode, isNegative: Bool)
    /// `(?>...)`: once matched, never tried another way.
    case atomic(RegexNode)
}

struct RegexRepetition: Sendable {
    var minimum: Int
    /// nil without a limit.
    var maximum: Int?
    var isLazy = false
    var isPossessive = false
}

enum RegexAssertion: Sendable {
    case lineStart, lineEnd
    case textStart, textEnd
    /// The end, or before a line break at the end.
    case lastLineEnd
    case wordBoundary, noWordBoundary
}

extension RegexNode {
    /// The least and the greatest number of characters that it matches; nil without a limit.
    var width: (least: Int, greatest: Int?) {
        switch self {
        case .empty, .assertion, .lookAhead, .lookBehind: return (0, 0)
        case .scalar, .any, .set: return (1, 1)
        case .atomic(let node): return node.width
        case .sequence(let nodes):
            return nodes.reduce((0, 0)) { sum, node in
                let width = node.width
                let greatest = sum.1.flatMap { first in width.greatest.map { first + $0 } }
                return (sum.0 + width.least, greatest)
            }
        case .alternatives(let nodes):
            let widths = nodes.map(\.width)
            let isLimited = widths.allSatisfy { $0.greatest != nil }
            let greatest = isLimited ? widths.compactMap(\.greatest).max() : nil
            return (widths.map(\.least).min() ?? 0, greatest)
        case .repetition(let node, let repetition):
            let width = node.width
            let greatest = repetition.maximum.flatMap { maximum in
                width.greatest.map { $0 * maximum }
            }
            return (width.least * repetition.minimum, greatest)
        }
    }
}

/// A pattern that is not understood.
struct RegexError: Error, Hashable {
    /// In characters of the pattern.
    let offset: Int
    let problem: String
}
