/// What of the training state the ranks share out among them, and how much comes together at a
/// time.
public struct ShardingSettings: Sendable, Hashable {
    public var stage = Sharding.replicated
    /// Ranks that share one copy; the groups hold copies of each other. Filled in (all ranks)
    /// where something is shared out.
    public var groupSize: Int?
    /// Parameters that may be gathered ahead of their use, in bytes; 0 gathers when needed.
    public var gatherPrefetchBytes = 64_000_000
    /// Gather once per optimizer step instead of once per micro-batch and direction: faster, and
    /// the whole model's parameters are in memory during a step.
    public var keepsGatheredAcrossMicroBatches = false
    /// A DeepSpeed JSON; its settings stand in the recipe once that is resolved.
    public var deepSpeedFile: String?

    public init() {}
}

/// The stages of ZeRO (Rajbhandari et al., 2020), each with those before it.
public enum Sharding: String, Sendable, Hashable, CaseIterable {
    /// Stage 0: every rank holds everything.
    case replicated = "none"
    /// Stage 1: master weights and moments.
    case optimizer
    /// Stage 2: gradients too.
    case gradients
    /// Stage 3: parameters too.
    case parameters

    /// ZeRO's number.
    public var stageNumber: Int { Self.allCases.firstIndex(of: self)! }
}

/// In which dtype ranks sum their gradients.
public enum ReductionDType: String, Sendable, Hashable, CaseIterable {
    case fp32, bf16, fp16
}

/// How the loss is scaled so that small gradients survive in fp16, by DeepSpeed's names.
///
/// A dynamic scale starts at two to the power of `initialScalePower`, doubles after `window` steps
/// without overflow, and is halved by an overflow once `hysteresis` overflows have been seen.
public struct LossScaling: Sendable, Hashable {
    /// A fixed scale; 0 makes it dynamic.
    public var fixedScale = 0.0
    public var initialScalePower = 16
    /// Steps without overflow after which the scale doubles.
    public var window = 1000
    /// Overflows before the scale is halved: all but the last only skip their step.
    public var hysteresis = 2
    /// Whether a step without overflow restores the hysteresis; otherwise only a doubling does.
    public var hysteresisIsConsecutive = false
    public var minimumScale = 1.0

    public init() {}
}
