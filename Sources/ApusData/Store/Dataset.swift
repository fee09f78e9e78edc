internal import ApusBase
internal import ApusFormats

/// Tokenised samples and the account of how they came about.
public struct Dataset: Sendable {
    public var samples: TokenStore
    public var report: DataReport

    public init(samples: TokenStore, report: DataReport) {
        self.samples = samples
        self.report = report
    }

    /// How records become samples.
    public struct Options: Sendable {
        /// Tokens of a sequence, at most.
        public var sequenceLength = 512
        public var excessLength = ExcessLength.drop
        /// Ids from here on are refused: the model has no embedding for them.
        public var vocabularySize: Int?

        public init() {}
    }

    /// Reads and tokenises all sources, in their order.
    ///
    /// Throws `FileError` for files that cannot be read and ``DataError`` with the broken records
    /// of all files at once.
    public static func load(
        _ sources: [DataSource], encoder: any TextEncoder, renderer: (any ChatRenderer)?,
        options: Options = Options()
    ) throws -> Dataset {
        precondition(options.sequenceLength > 1, "Dataset.load: sequences of at least two tokens")
        var loader = DatasetLoader(options)
        for source in sources {
            let builder = SampleBuilder(kind: source.kind, encoder: encoder, renderer: renderer)
            for path in try DataPaths.expand(source.path, format: source.format) {
                guard let format = source.format ?? DataFormat(path: path) else {
                    throw FileError(
                        path, "its name does not tell how it stores samples",
                        remedy: "set ds_type to json, text or csv")
                }
                try loader.load(try format.open(path), builder)
            }
        }
        return try loader.finished()
    }

    /// Takes samples away for evaluation: the same ones for the same seed, whatever else changes.
    ///
    /// - Parameter size: a share below 1, or a number of samples from 1; 0 takes none. Both parts
    ///   keep the order of the files, and at least one sample.
    public func split(validation size: Double, seed: UInt64) -> (
        training: Dataset, validation: Dataset
    ) {
        let total = samples.count
        let wanted = size < 1 ? (size * Double(total)).rounded(.up) : size.rounded()
        let count = max(0, min(Int(wanted), total - 1))
        let order = Shuffle.permutation(total, seed: seed, stream: .validation)
        let held = Set(order.prefix(count))
        let (kept, taken) = ((0..<total).filter { !held.contains($0) }, held.sorted())
        return (selecting(kept), selecting(taken))
    }

    /// Some of the samples. What was dropped is accounted for by the whole.
    private func selecting(_ indices: [Int]) -> Dataset {
        var part = Dataset(samples: samples.selecting(indices), report: DataReport())
        part.report.records = indices.count
        part.report.samples = indices.count
        part.report.tokens = part.samples.tokenCount
        for index in indices.indices {
            part.report.trainedTokens += part.samples.trainedCount(index)
            let length = part.samples.length(index)
            part.report.longestSample = max(part.report.longestSample, length)
        }
        part.report.longestRecord = part.report.longestSample
        return part
    }
}
