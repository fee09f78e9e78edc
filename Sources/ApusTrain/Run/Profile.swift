internal import ApusBase
internal import ApusFormats

/// `--profile`: records where this rank's time goes, from here until `finish()`.
public struct Profile {
    private let folder: String
    private let rank: Int

    /// - folder: where the traces of all ranks lie
    public init(folder: String, rank: Int) {
        self.folder = folder
        self.rank = rank
        Trace.shared.start()
    }

    /// Writes `rank-<N>.json` and returns what it says, a few lines for people.
    public func finish() throws -> [String] {
        let spans = Trace.shared.finish()
        try FilePaths.createFolder(folder)
        let path = FilePaths.join(folder, "rank-\(rank).json")
        try OutputFile.write(TraceFile.json(spans, rank: rank).text(), to: path)
        let lines = TraceSummary(spans).lines.map { "\($0.title): \($0.text)" }
        let isCut = spans.count == Trace.limit
        return lines + ["trace: \(path)" + (isCut ? ", cut off when it had grown too long" : "")]
    }
}
