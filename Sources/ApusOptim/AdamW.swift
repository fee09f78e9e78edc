internal import CApusHost

/// Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay
/// Regularization", 2019), rounding as `torch.optim.AdamW` within a few units in the last place.
public struct AdamW: UpdateRule, Hashable {
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double

    public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
        precondition(
            (0..<1).contains(beta1) && (0..<1).contains(beta2),
            "AdamW: betas must lie in 0 ..< 1, not \(beta1) and \(beta2)")
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }

    public var name: String { "adamw" }
    public var granularity: UpdateGranularity { .elements }

    public func states(forShape shape: [Int]) -> [OptimizerState] {
        [
            OptimizerState("firstMoment", shape: shape),
            OptimizerState("secondMoment", shape: shape),
        ]
    }

    public func update(_ slice: UpdateSlice, _ hyperParameters: HyperParameters) {
        slice.requireStates(2, of: "AdamW")
        let rule = apus_adamw(
            learning_rate: hyperParameters.learningRate, beta1: beta1, beta2: beta2,
            epsilon: epsilon, weight_decay: hyperParameters.weightDecay,
            step: Int64(hyperParameters.step))
        apus_adamw(
            slice.kernelUpdate(hyperParameters), slice.states[0], slice.states[1], rule)
    }
}
