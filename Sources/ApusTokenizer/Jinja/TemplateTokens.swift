/// The tokens of a template with a place in them; the parsers' common ground.
struct TemplateTokens {
    private let tokens: [TemplateToken]
    private var position = 0
    private var depth = 0

    /// Deeper nesting than any real template has; it bounds the stack of parser and interpreter.
    private static let depthLimit = 100

    init(_ tokens: [TemplateToken]) { self.tokens = tokens }

    var current: TemplateToken { tokens[position] }

    var next: TemplateToken { tokens[min(position + 1, tokens.count - 1)] }

    var line: Int { current.line }

    mutating func advance() { position = min(position + 1, tokens.count - 1) }

    func isSymbol(_ text: String) -> Bool { current.kind == .symbol && current.text == text }

    func isName(_ text: String) -> Bool { current.kind == .name && current.text == text }

    mutating func takeSymbol(_ text: String) -> Bool {
        guard isSymbol(text) else { return false }
        advance()
        return true
    }

    mutating func takeName(_ text: String) -> Bool {
        guard isName(text) else { return false }
        advance()
        return true
    }

    mutating func expectSymbol(_ text: String) throws(TemplateError) {
        guard takeSymbol(text) else { throw unexpected("\"\(text)\"") }
    }

    mutating func expectName(_ text: String) throws(TemplateError) {
        guard takeName(text) else { throw unexpected("\"\(text)\"") }
    }

    mutating func expect(_ kind: TemplateToken.Kind, _ what: String) throws(TemplateError) {
        guard current.kind == kind else { throw unexpected(what) }
        advance()
    }

    mutating func identifier() throws(TemplateError) -> String {
        guard current.kind == .name else { throw unexpected("a name") }
        defer { advance() }
        return current.text
    }

    func unexpected(_ expected: String) -> TemplateError {
        let found = current.kind == .end ? "the end of the template" : "\"\(current.text)\""
        return fault("\(found) stands where \(expected) should")
    }

    func fault(_ problem: String) -> TemplateError {
        TemplateError(.syntax, line: line, problem)
    }

    mutating func enter() throws(TemplateError) {
        depth += 1
        if depth > Self.depthLimit {
            throw fault("nested deeper than \(Self.depthLimit) levels")
        }
    }

    mutating func leave() { depth -= 1 }
}
