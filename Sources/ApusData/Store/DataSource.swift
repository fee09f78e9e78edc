/// One entry of a recipe's `datasets`.
public struct DataSource: Sendable, Hashable {
    /// A file, a folder, or a pattern as `data/*.jsonl`.
    public var path: String
    /// How the files store records; nil lets each file's name tell.
    public var format: DataFormat?
    public var kind: SampleKind
    /// How often an epoch of training shows each sample; a fraction shows a part of them.
    public var weight: Double
    /// The member of a record that tells what its loss counts; nil: all count one.
    public var lossWeightField: String?

    public init(path: String, format: DataFormat? = nil, kind: SampleKind, weight: Double = 1) {
        self.weight = weight
        self.path = path
        self.format = format
        self.kind = kind
    }
}

/// What happens to a sample with more tokens than a sequence may have.
public enum ExcessLength: String, Sendable, Hashable, CaseIterable {
    /// It is left out, and counted.
    case drop
    /// Its end is cut off, and counted.
    case truncate
    /// It becomes several samples, for long plain texts.
    case split
}
