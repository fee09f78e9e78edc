/// When checkpoints are saved, which are kept, and what a run begins from.
public struct CheckpointSettings: Sendable, Hashable {
    /// Filled in (`steps` or `epoch` where an interval is given, else `no`).
    public var saveStrategy: SaveStrategy?
    /// Optimizer steps between checkpoints.
    public var saveSteps: Int?
    public var savesPerEpoch: Int?
    /// The newest so many are kept; nil keeps all.
    public var saveTotalLimit: Int?
    /// Go on training while a copy of the state is written.
    public var savesInBackground = false
    /// End with the weights of the checkpoint with the best metric.
    public var loadBestModelAtEnd = false
    public var metricForBestModel = CheckpointMetric.evalLoss
    public var greaterIsBetter = false
    /// `auto`, `must`, `none`, or a path; filled in (from the two keys below, else `auto`).
    public var resume: String?
    public var resumeFromCheckpoint: String?
    public var autoResumeFromCheckpoints: Bool?
    public var resumeChecks = ResumeChecks.hashes

    public init() {}

    /// What a run begins from.
    public var resumeWish: ResumeWish {
        switch resume ?? "auto" {
        case "auto": .ifThere
        case "must": .must
        case "none": .never
        case let path: .from(path)
        }
    }
}

public enum SaveStrategy: String, Sendable, Hashable, CaseIterable {
    case never = "no"
    case steps, epoch
    /// After an evaluation that was better than all before.
    case best
}

public enum CheckpointMetric: String, Sendable, Hashable, CaseIterable {
    case evalLoss = "eval_loss"
    case loss
}

public enum ResumeChecks: String, Sendable, Hashable, CaseIterable {
    case hashes, sizes
}

public enum ResumeWish: Sendable, Hashable {
    case never
    /// From the newest checkpoint of `output_dir`, where there is one.
    case ifThere
    /// From the newest checkpoint of `output_dir`; an error where there is none.
    case must
    /// From this checkpoint, or from the newest of this folder.
    case from(String)
}
