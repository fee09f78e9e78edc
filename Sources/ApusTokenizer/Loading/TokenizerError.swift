public import ApusBase

/// A tokenizer file that cannot be read, understood or used.
public struct TokenizerError: OperationalError, Hashable {
    /// The file as the caller named it.
    public let file: String
    /// Where in the file, for example `pre_tokenizer.pretokenizers[1].pattern`; empty for the
    /// whole.
    public let location: String
    public let problem: String
    public let likelyCause: String?
    public let remedy: String?

    public init(
        file: String, location: String = "", _ problem: String, likelyCause: String? = nil,
        remedy: String? = nil
    ) {
        self.file = file
        self.location = location
        self.problem = problem
        self.likelyCause = likelyCause
        self.remedy = remedy
    }

    public var summary: String {
        location.isEmpty ? "\(file): \(problem)" : "\(file): \(location): \(problem)"
    }
}
