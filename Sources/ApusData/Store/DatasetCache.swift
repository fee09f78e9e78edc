internal import ApusBase
internal import ApusFormats
internal import CApusHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Tokenised data sets on disk, found again by what they were made of.
///
/// The key is computed from the contents of the data files, from the texts that decide how records
/// become tokens, and from all settings that matter, so that a changed file is never mistaken for
/// the old one. Each is a safetensors file with a hash of all that it holds. Ranks may read and
/// write the same folder at the same time: a file gets its name when it is complete.
public struct DatasetCache: Sendable, Hashable {
    public let folder: String
    private let makers: [String]

    /// - Parameter makers: the texts that decide how records become tokens: the tokenizer's files,
    ///   the chat template.
    public init(folder: String, makers: [String]) {
        self.folder = folder
        // What such a template writes today it will not write tomorrow.
        let isDated = makers.contains { $0.contains("strftime_now") }
        self.makers = makers.map { Self.digest(Array($0.utf8)) } + (isDated ? [Self.today()] : [])
    }

    /// What is found under a key.
    enum Finding {
        case missing
        case found(Dataset)
        /// There is a file, and it is not what was written once.
        case damaged
    }

    /// Changes when the layout, or what is made of a record, changes.
    private static let version = 3

    /// What the data set is made of, in words.
    func key(
        _ sources: [(source: DataSource, files: [String])], _ options: Dataset.Options
    ) throws(FileError) -> String {
        var lines = ["version \(Self.version)"]
        for maker in makers { lines.append("made by \(maker)") }
        for (source, files) in sources {
            let format = source.format?.rawValue ?? "by name"
            lines.append("source \(format) \(source.kind.identity) \(source.weight)")
            if let field = source.lossWeightField { lines.append("loss weight \(field)") }
            for path in files {
                let file = try MappedFile(path: path)
                lines.append("file \(file.withBytes { Self.digest($0) })")
            }
        }
        let vocabulary = options.vocabularySize.map { String($0) } ?? "any"
        lines.append("\(options.sequenceLength) \(options.excessLength.rawValue) \(vocabulary)")
        return lines.joined(separator: "\n")
    }

    func path(_ key: String) -> String {
        let hash = Array(key.utf8).withUnsafeBytes { apus_hash64($0.baseAddress, $0.count, 0) }
        return FilePaths.join(folder, "tokens-\(String(hash, radix: 16)).safetensors")
    }

    func look(for key: String) -> Finding {
        let path = path(key)
        guard FilePaths.isFile(path) else { return .missing }
        guard let file = try? SafetensorsFile(path: path) else { return .damaged }
        // Two keys may have one name: the one of a hash of 64 bits.
        guard file.metadata["key"] == key else { return .missing }
        guard let dataset = Self.dataset(file),
            let seal: [Int64] = try? file.elements("seal", .int64),
            seal == [Self.seal(of: dataset, key)]
        else { return .damaged }
        return .found(dataset)
    }

    private static func dataset(_ file: SafetensorsFile) -> Dataset? {
        guard let report = file.metadata["report"].flatMap({ try? JSON.parse($0) }),
            let samples = try? TokenStore(file),
            let weights: [Double] = try? file.elements("weights", .float64),
            weights.count == samples.count
        else { return nil }
        var dataset = Dataset()
        dataset.samples = samples
        dataset.weights = weights
        guard let report = DataReport(json: report) else { return nil }
        dataset.report = report
        return dataset
    }

    func write(_ dataset: Dataset, _ key: String) throws(FileError) {
        try FilePaths.createFolder(folder)
        // A name of its own until it is complete: other ranks, on other hosts too, may be writing
        // the same data set.
        let own = path(key) + ".\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let metadata = ["key": key, "report": dataset.report.json.text(.compact)]
        do throws(FileError) {
            let writer = try SafetensorsWriter(
                path: own,
                tensors: TokenStore.tensors(dataset.samples) + [
                    .init("weights", .f64, shape: [dataset.samples.count]),
                    .init("seal", .i64, shape: [1]),
                ],
                metadata: metadata)
            try dataset.samples.write(to: writer)
            try writer.write("weights", all: dataset.weights)
            try writer.write("seal", all: [Self.seal(of: dataset, key)])
            try writer.finish()
            guard rename(own, path(key)) == 0 else {
                throw FileError(own, "cannot be renamed to \(path(key))")
            }
        } catch {
            unlink(own)
            throw error
        }
    }
}

// MARK: - Hashes

extension DatasetCache {
    private static func digest(_ bytes: [UInt8]) -> String {
        bytes.withUnsafeBytes { digest($0) }
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer) -> String {
        let hash = apus_hash64(bytes.baseAddress, bytes.count, 0)
        return "\(bytes.count) \(String(hash, radix: 16))"
    }

    /// A hash of everything that a file holds.
    private static func seal(of dataset: Dataset, _ key: String) -> Int64 {
        let text = key + dataset.report.json.text(.compact)
        let lengths = (0..<dataset.samples.count).map { dataset.samples.length($0) }
        var hash = dataset.samples.fingerprint
        func add(_ bytes: UnsafeRawBufferPointer) {
            hash = apus_hash64(bytes.baseAddress, bytes.count, hash)
        }
        Array(text.utf8).withUnsafeBytes(add)
        lengths.withUnsafeBytes(add)
        dataset.samples.trained.withUnsafeBytes(add)
        dataset.samples.lossWeights.withUnsafeBytes(add)
        dataset.weights.withUnsafeBytes(add)
        return Int64(bitPattern: hash)
    }

    private static func today() -> String {
        var (seconds, parts) = (time(nil), tm())
        localtime_r(&seconds, &parts)
        return "day \(parts.tm_yday) of \(parts.tm_year + 1900)"
    }
}
