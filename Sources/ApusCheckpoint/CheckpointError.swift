public import ApusBase

/// A checkpoint that cannot be saved, loaded or converted as asked.
public struct CheckpointError: OperationalError, Hashable {
    public let summary: String
    public let likelyCause: String?
    public let remedy: String?

    public init(_ summary: String, likelyCause: String? = nil, remedy: String? = nil) {
        self.summary = summary
        self.likelyCause = likelyCause
        self.remedy = remedy
    }
}
