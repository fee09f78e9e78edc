/// Something outside the program went wrong: a file, a network, a configuration, a peer.
///
/// Each subsystem has its own error struct; they share this form, so that every message says what
/// happened and where, the likely cause, and what to do.
public protocol OperationalError: Error, CustomStringConvertible, Sendable {
    /// What happened and where (file, offset, line, key, rank), one sentence.
    var summary: String { get }
    var likelyCause: String? { get }
    var remedy: String? { get }
}

extension OperationalError {
    public var description: String { described }

    /// The three parts as text.
    public var described: String {
        var text = summary
        if let likelyCause { text += "\n  likely cause: \(likelyCause)" }
        if let remedy { text += "\n  remedy: \(remedy)" }
        return text
    }
}

/// A file that cannot be read, written or understood.
public struct FileError: OperationalError {
    public enum Place: Sendable, Hashable {
        case offset(Int)
        case line(Int)
    }

    public let path: String
    public let place: Place?
    public let problem: String
    public let likelyCause: String?
    public let remedy: String?

    public init(
        _ path: String, at place: Place? = nil, _ problem: String, likelyCause: String? = nil,
        remedy: String? = nil
    ) {
        self.path = path
        self.place = place
        self.problem = problem
        self.likelyCause = likelyCause
        self.remedy = remedy
    }

    public var summary: String {
        switch place {
        case .offset(let offset): "\(path): offset \(offset): \(problem)"
        case .line(let line): "\(path):\(line): \(problem)"
        case nil: "\(path): \(problem)"
        }
    }
}
