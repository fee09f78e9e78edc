public import ApusBase

/// A chat template that cannot be parsed or that failed while it ran.
public struct TemplateError: OperationalError, Hashable {
    public enum Kind: Sendable, Hashable {
        /// The text is no template.
        case syntax
        /// Something the template did is not possible: an undefined value used, an unknown filter.
        case evaluation
        /// The template itself refused its input with `raise_exception`.
        case raised
        /// It ran too long, wrote too much or nested too deep.
        case limit
    }

    public let kind: Kind
    /// Line of the template, from 1.
    public let line: Int
    public let problem: String

    init(_ kind: Kind, line: Int, _ problem: String) {
        self.kind = kind
        self.line = line
        self.problem = problem
    }

    public var summary: String { "chat template, line \(line): \(problem)" }

    public var likelyCause: String? {
        switch kind {
        case .syntax:
            "the template was changed by hand, or uses a part of Jinja that is not supported"
        case .evaluation: "the messages lack something that this template expects"
        case .raised: "the template does not accept these messages"
        case .limit: "the template never ends, or the messages are larger than any model takes"
        }
    }

    public var remedy: String? {
        switch kind {
        case .syntax, .limit: "use the template that was published with the model"
        case .evaluation, .raised: "compare the messages with what the model's card shows"
        }
    }
}
