/// How the loss scale of fp16 training moves: Micikevicius et al.: "Mixed Precision Training"
/// (2018), with the parameters that the field has settled on.
public struct LossScalePolicy: Sendable, Hashable {
    public var initial = 65536.0
    /// Steps without overflow after which the scale doubles; nil: it never moves.
    public var window: Int? = 1000
    /// Overflows in a row that are borne before the scale is halved.
    public var hysteresis = 2
    public var minimum = 1.0
    /// Whether a good step forgets earlier overflows, not only the doubling of the scale.
    public var forgetsOverflows = false

    public init() {}

    /// A scale that never moves.
    public static func fixed(_ scale: Double) -> LossScalePolicy {
        var policy = LossScalePolicy()
        policy.initial = scale
        policy.window = nil
        return policy
    }
}

/// The loss scale over a run.
public struct LossScaler: Sendable, Hashable {
    public let policy: LossScalePolicy
    public private(set) var scale: Double
    /// Good steps since the scale last moved or an overflow happened.
    public private(set) var goodSteps = 0
    /// Overflows that are still borne.
    public private(set) var patience: Int

    public init(_ policy: LossScalePolicy) {
        self.policy = policy
        scale = policy.initial
        patience = policy.hysteresis
    }

    /// Continues a run.
    public init(_ policy: LossScalePolicy, scale: Double, goodSteps: Int, patience: Int) {
        self.policy = policy
        self.scale = scale
        self.goodSteps = goodSteps
        self.patience = patience
    }

    /// After each step: whether its gradients were finite.
    public mutating func update(isFinite: Bool) {
        guard let window = policy.window else { return }
        guard isFinite else {
            goodSteps = 0
            patience -= 1
            guard patience <= 0 else { return }
            scale = max(policy.minimum, scale / 2)
            patience = 1
            return
        }
        if policy.forgetsOverflows { patience = policy.hysteresis }
        goodSteps += 1
        guard goodSteps >= window else { return }
        scale *= 2
        goodSteps = 0
        patience = policy.hysteresis
    }
}
