internal import ApusBase
internal import ApusFormats

/// Tokenised samples and the account of how they came about.
public struct Dataset: Sendable {
    public internal(set) var samples = TokenStore()
    public internal(set) var report = DataReport()
    /// Some of the records that are missing or not whole. Not kept in a cache.
    public internal(set) var exclusions: [Exclusion] = []
    /// What the cache had to do with it; nil without one.
    public internal(set) var cacheUse: CacheUse?
    /// How often each sample is seen in an epoch, by the weight of its source.
    var weights: [Double] = []

    init() {}

    /// Where the samples of a data set with a cache come from; with the path of the cache's file.
    public enum CacheUse: Sendable, Hashable {
        case reused(String)
        case made(String)
        /// There was one, which was cut short or changed.
        case replacedDamaged(String)
    }

    /// How records become samples.
    public struct Options: Sendable {
        /// Tokens of a sequence, at most.
        public var sequenceLength = 512
        public var excessLength = ExcessLength.drop
        /// Ids from here on are refused: the model has no embedding for them.
        public var vocabularySize: Int?
        /// Where tokens go that are too many for memory: a folder, in which nothing remains. Nil
        /// keeps all in memory.
        public var scratchFolder: String?
        /// Tokens that may be in memory at once, at eight bytes each.
        public var memoryTokens = 1 << 27
        /// Where to find the result of an earlier run, and to leave this one.
        public var cache: DatasetCache?

        public init() {}
    }

    /// Reads and tokenises all sources, in their order.
    ///
    /// - Parameters:
    ///   - encoder: needed for all but tokenised samples.
    ///   - renderer: needed for chats.
    ///
    /// Throws `FileError` for files that cannot be read, ``DataError`` with the broken records of
    /// all files at once, ``EmptyDatasetError`` when no sample is left.
    public static func load(
        _ sources: [DataSource], encoder: (any TextEncoder)?, renderer: (any ChatRenderer)?,
        options: Options = Options()
    ) throws -> Dataset {
        precondition(options.sequenceLength > 1, "Dataset.load: sequences of at least two tokens")
        let found = try sources.map { source in
            (source: source, files: try DataPaths.expand(source.path, format: source.format))
        }
        guard let cache = options.cache else { return try read(found, encoder, renderer, options) }
        let key = try cache.key(found, options)
        let path = cache.path(key)
        var use = CacheUse.made(path)
        switch cache.look(for: key) {
        case .found(var known):
            known.cacheUse = .reused(path)
            return known
        case .damaged: use = .replacedDamaged(path)
        case .missing: break
        }
        var dataset = try read(found, encoder, renderer, options)
        try cache.write(dataset, key)
        dataset.cacheUse = use
        return dataset
    }

    private static func read(
        _ found: [(source: DataSource, files: [String])], _ encoder: (any TextEncoder)?,
        _ renderer: (any ChatRenderer)?, _ options: Options
    ) throws -> Dataset {
        var loader = DatasetLoader(options)
        for (source, files) in found {
            precondition(source.weight >= 0, "Dataset.load: a negative weight of \(source.path)")
            let builder = SampleBuilder(
                kind: source.kind, encoder: encoder, renderer: renderer,
                lossWeightField: source.lossWeightField)
            for path in files {
                let file = try DataFormat.open(path, source.format)
                try loader.load(file, builder, weight: source.weight)
            }
        }
        let dataset = try loader.finished()
        guard dataset.samples.count > 0 else {
            throw EmptyDatasetError(paths: found.map(\.source.path), report: dataset.report)
        }
        return dataset
    }

    /// Takes samples away for evaluation: the same ones for the same seed, whatever else changes.
    ///
    /// Then the weights of the sources apply to what remains for training: a weight of 2 shows
    /// every sample twice an epoch, 0.5 every other one.
    ///
    /// - Parameter size: a share below 1, or a number of samples from 1; 0 takes none. Both parts
    ///   keep the order of the files. At least one sample remains for training.
    public func split(validation size: Double, seed: UInt64) -> (
        training: Dataset, validation: Dataset
    ) {
        let total = samples.count
        let wanted = size < 1 ? (size * Double(total)).rounded(.up) : size.rounded()
        let count = max(0, min(Int(wanted), total - 1))
        let order = Shuffle.permutation(total, seed: seed, stream: .validation)
        let held = Set(order.prefix(count))
        let kept = (0..<total).filter { !held.contains($0) }
        return (selecting(repeated(kept, seed: seed)), selecting(held.sorted()))
    }

    /// Each index as often as its weight says; of a fraction, the seed chooses which ones.
    private func repeated(_ indices: [Int], seed: UInt64) -> [Int] {
        guard weights.contains(where: { $0 != 1 }) else { return indices }
        var counts = indices.map { Int(weights[$0]) }
        // Of n samples with the fraction f, f n are shown once more, rounded up so that a source is
        // never left out; the small number takes back what 1.1 - 1 is more than 0.1.
        var groups: [Double: [Int]] = [:]
        for (place, index) in indices.enumerated() {
            groups[weights[index], default: []].append(place)
        }
        for (weight, places) in groups {
            let fraction = weight - weight.rounded(.down)
            let extra = (fraction * Double(places.count) - 1e-9).rounded(.up)
            let order = Shuffle.permutation(places.count, seed: seed, stream: .weights)
            for chosen in order.prefix(Int(extra)) { counts[places[chosen]] += 1 }
        }
        return zip(indices, counts).flatMap { index, count in repeatElement(index, count: count) }
    }

    /// Some of the samples. What was dropped is accounted for by the whole.
    private func selecting(_ indices: [Int]) -> Dataset {
        var part = Dataset()
        part.samples = samples.selecting(indices)
        part.weights = indices.map { weights[$0] }
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
