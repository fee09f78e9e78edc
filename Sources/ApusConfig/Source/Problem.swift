public import ApusBase

/// One thing that is wrong with a configuration.
public struct Problem: Sendable, Hashable {
    public let origin: Origin
    /// The setting, as a dotted path such as `datasets.0.path`; empty for the file as a whole.
    public let path: String
    public let message: String
    /// What is allowed, the nearest name, or what to do.
    public let hint: String?

    public init(_ origin: Origin, path: String = "", _ message: String, hint: String? = nil) {
        self.origin = origin
        self.path = path
        self.message = message
        self.hint = hint
    }

    var text: String {
        let line = "\(origin.errorText): \(message)"
        return hint.map { "\(line)\n    \($0)" } ?? line
    }
}

/// A configuration that cannot be used; names everything that is wrong with it, not only the first.
public struct ConfigError: OperationalError {
    public let problems: [Problem]

    public init(_ problems: [Problem]) { self.problems = problems }

    public var summary: String {
        let lines = problems.map(\.text)
        guard problems.count > 1 else { return lines.joined() }
        return lines.joined(separator: "\n") + "\n\(problems.count) problems"
    }

    public var likelyCause: String? { nil }
    public var remedy: String? { nil }
}
