internal import ApusBase
internal import ApusFormats

/// A file of samples, opened and indexed, whose records are parsed one at a time.
protocol RecordFile: Sendable {
    var path: String { get }
    var count: Int { get }

    /// The line, counted from 1, at which a record begins.
    func line(of index: Int) -> Int

    /// Parses one record. Throws, with file and line, where it is broken.
    func record(_ index: Int) throws(FileError) -> JSON
}

/// How a file stores its samples.
public enum DataFormat: String, Sendable, Hashable, CaseIterable {
    /// One JSON object a line, or one array of objects.
    case json
    /// One sample a line.
    case text
    /// With a header line (RFC 4180).
    case csv
    case parquet

    /// The format that the name of a file tells.
    public init?(path: String) {
        let name = FilePaths.name(of: path).lowercased()
        if name.hasSuffix(".json") || name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson") {
            self = .json
        } else if name.hasSuffix(".txt") {
            self = .text
        } else if name.hasSuffix(".csv") {
            self = .csv
        } else if name.hasSuffix(".parquet") {
            self = .parquet
        } else {
            return nil
        }
    }

    /// Opens a file of the given format, or of the one that its name tells.
    static func open(
        _ path: String, _ format: DataFormat?
    ) throws(FileError) -> any RecordFile {
        guard let format = format ?? DataFormat(path: path) else {
            throw FileError(
                path, "its name does not tell how it stores samples",
                remedy: "set ds_type to json, text, csv or parquet")
        }
        return try format.open(path)
    }

    func open(_ path: String) throws(FileError) -> any RecordFile {
        switch self {
        case .json:
            let file = try MappedFile(path: path)
            return JSONArrayFile.begins(file) ? try JSONArrayFile(file) : JSONLinesFile(file)
        case .text: return TextFile(try MappedFile(path: path))
        case .csv: return try CSVFile(try MappedFile(path: path))
        case .parquet: return try ParquetRecords(path: path)
        }
    }
}
