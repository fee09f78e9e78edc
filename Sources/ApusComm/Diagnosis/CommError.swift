public import ApusBase

/// A process group that could not be made, or an operation that did not end as it should.
///
/// The summary names the rank that is to blame, the operation and where every other rank is.
public struct CommError: OperationalError {
    /// What kind of failure it is; more may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private let name: String
        private init(_ name: String) { self.name = name }
        public var description: String { name }

        /// A peer did not come within the time-out.
        public static let timedOut = Code("timed out")
        /// A peer's process has ended or has left the group.
        public static let peerLeft = Code("peer left")
        /// Ranks called different operations, or the same with different sizes, dtypes or labels.
        public static let mismatched = Code("mismatched")
        /// RANK, WORLD_SIZE or one of their companions is missing or makes no sense.
        public static let environment = Code("environment")
        /// The ranks did not find each other.
        public static let rendezvous = Code("rendezvous")
        /// This group cannot do that.
        public static let unsupported = Code("unsupported")
        /// The operating system or the network refused.
        public static let system = Code("system")
    }

    public let code: Code
    /// The rank that reports.
    public let rank: Int?
    /// The rank that the failure is about.
    public let culprit: Int?
    public let operation: OperationTag?
    public let summary: String
    public let likelyCause: String?
    public let remedy: String?
    /// Where the flight record of this rank is, a sentence.
    public private(set) var note: String?

    init(
        _ code: Code, _ summary: String, at place: Place = Place(), likelyCause: String? = nil,
        remedy: String? = nil
    ) {
        self.code = code
        self.rank = place.rank
        self.culprit = place.culprit
        self.operation = place.operation
        self.summary = summary
        self.likelyCause = likelyCause
        self.remedy = remedy
    }

    func noting(_ note: String) -> CommError {
        var error = self
        error.note = note
        return error
    }

    public var description: String { described + (note.map { "\n  \($0)" } ?? "") }

    /// Who reports, about whom, in which operation.
    struct Place {
        var rank: Int?
        var culprit: Int?
        var operation: OperationTag?
    }
}
