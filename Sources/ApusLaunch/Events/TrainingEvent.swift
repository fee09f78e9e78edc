import ApusBase

/// What rank 0 of a training run reports while it runs, one JSON object per line.
public enum TrainingEvent: Sendable, Hashable {
    /// A part of the run began: loading the model, tokenizing, training, saving.
    case phase(name: String, detail: String?)
    /// The run goes on from a checkpoint, after its step.
    case resumed(step: Int, path: String, restored: String)
    /// The first step is next.
    case start(RunFacts)
    case step(StepFacts)
    case evaluation(step: Int, loss: Double)
    case sample(Sample)
    case saved(path: String)
    case note(String)
    case warning(String)
    case error(rank: Int?, message: String)
    case done(Summary)

    /// The size of a run.
    public struct RunFacts: Sendable, Hashable {
        public var steps: Int
        public var ranks: Int
        public var parameters: Int?
        public var trainableTokensPerEpoch: Int?
    }

    /// One optimizer step, all ranks together.
    public struct StepFacts: Sendable, Hashable {
        public var step: Int
        public var epoch: Double?
        public var loss: Double
        public var learningRate: Double?
        public var gradNorm: Double?
        public var tokens: Int?
        public var tokensPerSecond: Double?
        public var stepSeconds: Double?
        public var memoryBytesPerRank: [Int]
    }

    /// An answer to a sample prompt.
    public struct Sample: Sendable, Hashable {
        public enum When: String, Sendable, Hashable {
            case before, after
        }

        public var when: When
        public var prompt: String
        public var text: String
    }

    /// The end of a run.
    public struct Summary: Sendable, Hashable {
        public var steps: Int
        public var seconds: Double
        public var evalLossBefore: Double?
        public var evalLossAfter: Double?
        public var path: String?
    }
}

/// A line that is no event.
public struct EventError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
}

extension TrainingEvent {
    /// - Throws: `EventError` for a line that is no JSON object, an unknown event, or one that
    ///   lacks something.
    public init(line: String) throws(EventError) {
        let json: JSON
        do {
            json = try JSON.parse(line)
        } catch {
            throw EventError(description: "not JSON: \(error)")
        }
        guard let name = json["event"]?.stringValue else {
            throw EventError(description: "no member 'event'")
        }
        guard let event = Self.read(name, json) else {
            throw EventError(description: "an unknown or incomplete event '\(name)'")
        }
        self = event
    }

    private static func read(_ name: String, _ json: JSON) -> TrainingEvent? {
        switch name {
        case "phase":
            json["name"]?.stringValue.map { .phase(name: $0, detail: json["detail"]?.stringValue) }
        case "resumed": resumption(json)
        case "start": RunFacts(json).map { .start($0) }
        case "step": StepFacts(json).map { .step($0) }
        case "eval": evaluation(json)
        case "sample": Sample(json).map { .sample($0) }
        case "saved": json["path"]?.stringValue.map { .saved(path: $0) }
        case "note": json["text"]?.stringValue.map { .note($0) }
        case "warning": json["message"]?.stringValue.map { .warning($0) }
        case "error":
            json["message"]?.stringValue.map { .error(rank: json["rank"]?.intValue, message: $0) }
        case "done": Summary(json).map { .done($0) }
        default: nil
        }
    }

    private static func resumption(_ json: JSON) -> TrainingEvent? {
        guard let step = json["step"]?.intValue, let path = json["path"]?.stringValue,
            let restored = json["restored"]?.stringValue
        else { return nil }
        return .resumed(step: step, path: path, restored: restored)
    }

    private static func evaluation(_ json: JSON) -> TrainingEvent? {
        guard let step = json["step"]?.intValue, let loss = json["eval_loss"]?.doubleValue else {
            return nil
        }
        return .evaluation(step: step, loss: loss)
    }
}

extension TrainingEvent.RunFacts {
    fileprivate init?(_ json: JSON) {
        guard let steps = json["steps"]?.intValue, let ranks = json["ranks"]?.intValue else {
            return nil
        }
        self.init(
            steps: steps, ranks: ranks, parameters: json["parameters"]?.intValue,
            trainableTokensPerEpoch: json["trainable_tokens_per_epoch"]?.intValue)
    }
}

extension TrainingEvent.StepFacts {
    fileprivate init?(_ json: JSON) {
        guard let step = json["step"]?.intValue, let loss = json["loss"]?.doubleValue else {
            return nil
        }
        self.step = step
        self.loss = loss
        epoch = json["epoch"]?.doubleValue
        learningRate = json["learning_rate"]?.doubleValue
        gradNorm = json["grad_norm"]?.doubleValue
        tokens = json["tokens"]?.intValue
        tokensPerSecond = json["tokens_per_second"]?.doubleValue
        stepSeconds = json["step_seconds"]?.doubleValue
        let each = json["memory_bytes_per_rank"]?.arrayValue?.compactMap(\.intValue)
        memoryBytesPerRank = each ?? [json["peak_memory_bytes"]?.intValue].compactMap { $0 }
    }
}

extension TrainingEvent.Sample {
    fileprivate init?(_ json: JSON) {
        guard let when = json["when"]?.stringValue.flatMap(When.init(rawValue:)),
            let prompt = json["prompt"]?.stringValue, let text = json["text"]?.stringValue
        else { return nil }
        self.init(when: when, prompt: prompt, text: text)
    }
}

extension TrainingEvent.Summary {
    fileprivate init?(_ json: JSON) {
        guard let steps = json["steps"]?.intValue, let seconds = json["seconds"]?.doubleValue else {
            return nil
        }
        self.init(
            steps: steps, seconds: seconds, evalLossBefore: json["eval_loss_before"]?.doubleValue,
            evalLossAfter: json["eval_loss_after"]?.doubleValue, path: json["path"]?.stringValue)
    }
}
