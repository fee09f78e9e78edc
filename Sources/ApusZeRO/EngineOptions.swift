public import ApusOptim
public import ApusShard
public import ApusTensor

/// What an engine is told once.
public struct EngineOptions: Sendable {
    public var sharding = ShardingPolicy()
    public var precision = PrecisionPolicy.float32
    /// Where weights, gradients and states live.
    public var device = Device.cpu
    public var rule: any UpdateRule = AdamW()
    public var weightDecay = 0.0
    /// Whether norms and biases decay too, which custom spares.
    public var decaysEverything = false
    /// Clips the global norm; nil does not.
    public var maximumGradientNorm: Double?

    public init() {}
}

/// What became of an optimizer step.
public enum StepOutcome: Sendable, Hashable {
    /// `gradientNorm` is the global norm before clipping.
    case updated(gradientNorm: Double)
    /// Nothing was changed, on any rank.
    case skipped(SkipReason)

    public enum SkipReason: Sendable, Hashable {
        case nonFiniteGradient
    }
}
