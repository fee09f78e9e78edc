/// How much a rendering may do. No template needs a fraction of it; one that loops or grows without
/// end is stopped by it.
public struct TemplateLimits: Sendable, Hashable {
    /// Units of work: an expression, a statement or a few characters each.
    public var work = 10_000_000
    /// Additional work for each character of the messages.
    public var workPerCharacter = 200
    /// Expressions, statements and calls inside each other.
    public var depth = 400

    public init() {}
}

/// What is left of the limits while a template runs.
struct TemplateBudget {
    private var work: Int
    private let depthLimit: Int
    private var depth = 0

    /// Containers inside each other; far above what JSON Schemas of tools need.
    static let containerDepth = 100

    init(_ limits: TemplateLimits, inputCharacters: Int) {
        let (extra, overflow) = inputCharacters.multipliedReportingOverflow(
            by: limits.workPerCharacter)
        work = overflow ? Int.max / 2 : min(limits.work + extra, Int.max / 2)
        depthLimit = limits.depth
    }

    /// Charge before the work is done, and for all of it: what a unit pays for must be bounded.
    mutating func charge(_ units: Int, line: Int) throws(TemplateError) {
        work -= min(max(units, 1), work + 1)
        if work < 0 { throw TemplateError(.limit, line: line, "the template does too much work") }
    }

    /// For work that grows with a product, such as searching one text in another.
    mutating func charge(product left: Int, _ right: Int, line: Int) throws(TemplateError) {
        let (product, overflow) = left.multipliedReportingOverflow(by: max(right, 1))
        try charge(overflow ? Int.max / 2 : max(left, product / 64), line: line)
    }

    /// For things that take a fraction of a unit each, such as a comparison or a copy: free while
    /// they are few.
    mutating func charge(manySmall count: Int, line: Int) throws(TemplateError) {
        if count >= 8 { try charge(count / 8, line: line) }
    }

    /// Characters that may still be written.
    var charactersLeft: Int { work }

    mutating func enter(line: Int) throws(TemplateError) {
        depth += 1
        if depth > depthLimit {
            throw TemplateError(.limit, line: line, "the template nests too deep")
        }
    }

    mutating func leave() { depth -= 1 }
}
