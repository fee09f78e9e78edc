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
/// The key is computed from the contents of the data files and of the tokenizer's files and from
/// all settings that matter, so that a changed file is never mistaken for the old one. Each is a
/// safetensors file. Ranks may read and write the same folder at the same time.
public struct DatasetCache: Sendable, Hashable {
    public let folder: String
    /// The files that decide how text becomes tokens: tokenizer, chat template.
    public let tokenizerFiles: [String]

    public init(folder: String, tokenizerFiles: [String]) {
        self.folder = folder
        self.tokenizerFiles = tokenizerFiles
    }

    /// Changes when the layout, or what is made of a record, changes.
    private static let version = 2

    /// What the data set is made of, in words.
    func key(
        _ sources: [(source: DataSource, files: [String])], _ options: Dataset.Options
    ) throws(FileError) -> String {
        var lines = ["version \(Self.version)"]
        for path in tokenizerFiles { lines.append("tokenizer \(try Self.digest(path))") }
        for (source, files) in sources {
            let format = source.format?.rawValue ?? "by name"
            lines.append("source \(format) \(source.kind.identity) \(source.weight)")
            if let field = source.lossWeightField { lines.append("loss weight \(field)") }
            for path in files { lines.append("file \(try Self.digest(path))") }
        }
        let vocabulary = options.vocabularySize.map { String($0) } ?? "any"
        lines.append("\(options.sequenceLength) \(options.excessLength.rawValue) \(vocabulary)")
        return lines.joined(separator: "\n")
    }

    private static func digest(_ path: String) throws(FileError) -> String {
        let file = try MappedFile(path: path)
        let hash = file.withBytes { apus_hash64($0.baseAddress, $0.count, 0) }
        return "\(file.size) \(String(hash, radix: 16))"
    }

    private func path(_ key: String) -> String {
        let bytes = Array(key.utf8)
        let hash = bytes.withUnsafeBytes { apus_hash64($0.baseAddress, $0.count, 0) }
        return FilePaths.join(folder, "tokens-\(String(hash, radix: 16)).safetensors")
    }

    /// The data set made of the same; nil when there is none, or it is damaged.
    func read(_ key: String) -> Dataset? {
        let path = path(key)
        guard FilePaths.isFile(path), let file = try? SafetensorsFile(path: path),
            file.metadata["key"] == key,
            let report = file.metadata["report"].flatMap({ try? JSON.parse($0) }),
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
        // A name of its own until it is complete: other ranks may be writing the same data set.
        let own = path(key) + ".\(getpid())"
        let metadata = ["key": key, "report": dataset.report.json.text(.compact)]
        let count = dataset.samples.count
        let writer = try SafetensorsWriter(
            path: own,
            tensors: TokenStore.tensors(dataset.samples) + [.init("weights", .f64, shape: [count])],
            metadata: metadata)
        try dataset.samples.write(to: writer)
        try writer.write("weights", all: dataset.weights)
        try writer.finish()
        guard rename(own, path(key)) == 0 else {
            throw FileError(own, "cannot be renamed to \(path(key))")
        }
    }
}
