public import ApusBase

/// trainer.json: where a run stands, apart from its tensors.
public struct TrainerState: Sendable, Hashable {
    /// Optimizer steps that were taken.
    public var step: Int
    /// Of these, those that changed the weights: what Adam's bias correction counts.
    public var updates: Int
    public var trainedTokens = 0
    /// The held-out loss before the first step, where it was measured.
    public var lossBefore: Double?
    /// The best metric that was measured so far.
    public var bestMetric: Double?
    /// Of the checkpoints that this run saved, the one with the best metric.
    public var bestStep: Int?
    /// Its metric.
    public var bestStepMetric: Double?
    /// The place in the data, as the loader writes it; nil where another program saved.
    public var data: JSON?
    /// The state of dynamic loss scaling; nil where there is none.
    public var lossScaler: JSON?
    /// The configuration of an adapter as data began it; nil where none did.
    public var adapter: JSON?

    public init(step: Int, updates: Int) {
        self.step = step
        self.updates = updates
    }

    public var text: String {
        var object: JSONObject = [
            "step": .integer(step), "updates": .integer(updates),
            "trained_tokens": .integer(trainedTokens),
        ]
        object["loss_before"] = lossBefore.map { .number($0) }
        object["best_metric"] = bestMetric.map { .number($0) }
        object["best_step"] = bestStep.map { .integer($0) }
        object["best_step_metric"] = bestStepMetric.map { .number($0) }
        object["data"] = data
        object["loss_scaler"] = lossScaler
        object["adapter"] = adapter
        return JSON.object(object).text(.indented) + "\n"
    }

    /// - path: for messages
    public init(text: String, path: String) throws(FileError) {
        let json: JSON
        do {
            json = try JSON.parse(text)
        } catch {
            throw FileError(path, at: .offset(error.offset), error.problem)
        }
        guard let step = json["step"]?.intValue, let updates = json["updates"]?.intValue else {
            throw FileError(path, "has no numbers \"step\" and \"updates\"")
        }
        self.init(step: step, updates: updates)
        trainedTokens = json["trained_tokens"]?.intValue ?? 0
        lossBefore = json["loss_before"]?.doubleValue
        bestMetric = json["best_metric"]?.doubleValue
        bestStep = json["best_step"]?.intValue
        bestStepMetric = json["best_step_metric"]?.doubleValue
        data = json["data"]
        lossScaler = json["loss_scaler"]
        adapter = json["adapter"]
    }
}

extension ForeignState {
    /// trainer.json as far as the other program's files tell.
    public var trainerDocument: CheckpointDocument {
        CheckpointDocument(
            CheckpointNames.trainer, TrainerState(step: step, updates: updates ?? 0).text)
    }
}
