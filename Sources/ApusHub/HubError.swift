public import ApusBase

/// A model that cannot be had from the hub.
public struct HubError: OperationalError, Hashable {
    public let summary: String
    public let likelyCause: String?
    public let remedy: String?

    init(_ summary: String, likelyCause: String? = nil, remedy: String? = nil) {
        self.summary = summary
        self.likelyCause = likelyCause
        self.remedy = remedy
    }
}
