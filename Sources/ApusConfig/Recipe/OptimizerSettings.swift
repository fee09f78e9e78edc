/// The update rule.
public struct OptimizerSettings: Sendable, Hashable {
    public var name = OptimizerName.adamwTorchFused
    public var learningRate = 5e-5
    public var adamBeta1 = 0.9
    public var adamBeta2 = 0.999
    public var adamEpsilon = 1e-8
    /// Not applied to biases and norms.
    public var weightDecay = 0.0
    /// Clip the global gradient norm to this; 0 does not clip.
    public var maxGradNorm = 1.0

    public init() {}
}

/// The names by which recipes ask for an optimizer.
public enum OptimizerName: String, Sendable, Hashable, CaseIterable {
    case adamwTorchFused = "adamw_torch_fused"
    case adamwTorch = "adamw_torch"
    case adamw
    case sgd, lion, adafactor, muon

    /// Several names mean the same update.
    public enum Algorithm: Sendable, Hashable {
        case adamw, sgd, lion, adafactor, muon
    }

    public var algorithm: Algorithm {
        switch self {
        case .adamwTorchFused, .adamwTorch, .adamw: .adamw
        case .sgd: .sgd
        case .lion: .lion
        case .adafactor: .adafactor
        case .muon: .muon
        }
    }
}

/// The learning rate over the run, counted in optimizer steps.
public struct ScheduleSettings: Sendable, Hashable {
    public var name = ScheduleName.cosine
    public var warmupSteps: Int?
    /// Warm-up as a share of all steps.
    public var warmupRatio: Double?
    public var warmupCurve = WarmupCurveName.linear
    /// The last learning rate of a cosine, as a share of the peak.
    public var cosineMinLRRatio: Double?
    public var arguments = ScheduleArguments()

    public init() {}
}

/// How the learning rate rises during warm-up.
public enum WarmupCurveName: String, Sendable, Hashable, CaseIterable {
    case linear
    /// As the logarithm of the step's number, fast at first: DeepSpeed's default.
    case log
}

/// `lr_scheduler`, by HuggingFace's names.
public enum ScheduleName: String, Sendable, Hashable, CaseIterable {
    /// No warm-up unless asked for, as with `constantWithWarmup`.
    case constant
    case constantWithWarmup = "constant_with_warmup"
    case linear, cosine
    case warmupStableDecay = "warmup_stable_decay"
}

/// `lr_scheduler_kwargs`.
public struct ScheduleArguments: Sendable, Hashable {
    /// Steps of the last phase of `warmup_stable_decay`.
    public var numDecaySteps: Int?
    /// Where that phase ends, as a share of the peak.
    public var minLRRatio = 0.0

    public init() {}
}
