public import ApusBase
internal import ApusFormats

/// The files that a run leaves in its `output_dir` beside the model.
public final class RunFolder {
    public let path: String
    private var metrics: [JSONObject] = []
    private let metricsFile: AppendingFile

    /// Creates the folder; an earlier run's metrics are replaced.
    public init(path: String) throws(FileError) {
        self.path = path
        try FilePaths.createFolder(path)
        metricsFile = try AppendingFile(path: FilePaths.join(path, "metrics.jsonl"))
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
