public import ApusBase
internal import ApusFormats

/// The files that a run leaves in its `output_dir` beside the model.
public final class RunFolder {
    public let path: String
    private var metrics: [JSONObject] = []
    private let metricsFile: AppendingFile

    /// Creates the folder.
    ///
    /// - keptSteps: of an earlier run's metrics, those of the first so many steps stay
    public init(path: String, keptSteps: Int = 0) throws(FileError) {
        self.path = path
        try FilePaths.createFolder(path)
        let file = FilePaths.join(path, "metrics.jsonl")
        metrics = keptSteps > 0 ? try Self.metrics(in: file, upTo: keptSteps) : []
        let text = metrics.map { JSON.object($0).text() + "\n" }.joined()
        try OutputFile.write(text, to: file)
        metricsFile = try AppendingFile(path: file)
    }

    /// The lines of the first steps; a line that was being written when the run was killed is of a
    /// later one.
    private static func metrics(
        in path: String, upTo step: Int
    ) throws(FileError) -> [JSONObject] {
        guard FilePaths.isFile(path) else { return [] }
        let text = try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) }
        var objects: [JSONObject] = []
        for line in text.split(separator: "\n") {
            let parsed = Result { () throws(JSONSyntaxError) in try JSON.parse(String(line)) }
            guard case .success(.object(let object)) = parsed,
                let number = object["step"]?.intValue, number <= step
            else { break }
            objects.append(object)
        }
        return objects
    }

    /// Refuses a disk that the trained weights will not fit on.
    public func checkSpace(forModelOf bytes: Int) throws(FileError) {
        try FreeSpace.check(path, for: "the trained model", needs: bytes)
    }

    /// Adds one optimizer step's line; `evalLoss` where the model was evaluated after it.
    public func append(_ record: StepRecord, evalLoss: Double?) throws(FileError) {
        var line = record.metrics
        line["eval_loss"] = evalLoss.map { .number($0) }
        metrics.append(line)
        try metricsFile.append(JSON.object(line).text() + "\n")
    }

    /// Draws loss.svg from the metrics so far.
    public func drawLoss(lossBefore: Double?) throws(FileError) {
        func points(_ key: String) -> [LossPlot.Point] {
            metrics.compactMap { line in
                guard let step = line["step"]?.intValue, let loss = line[key]?.doubleValue else {
                    return nil
                }
                return LossPlot.Point(step: step, loss: loss)
            }
        }
        var evaluations = points("eval_loss")
        if let lossBefore { evaluations.insert(.init(step: 0, loss: lossBefore), at: 0) }
        let plot = LossPlot(training: points("loss"), evaluation: evaluations)
        try OutputFile.write(plot.svg, to: FilePaths.join(path, "loss.svg"))
    }
}
