internal import CApusHost

/// Lion: the sign of an interpolated momentum (Chen et al., "Symbolic Discovery of Optimization
/// Algorithms", 2023), with decoupled weight decay.
public struct Lion: UpdateRule, Hashable {
    public var beta1: Double
    public var beta2: Double

    public init(beta1: Double = 0.9, beta2: Double = 0.99) {
        precondition(
            (0...1).contains(beta1) && (0...1).contains(beta2),
            "Lion: betas must lie in 0 ... 1, not \(beta1) and \(beta2)")
        self.beta1 = beta1
        self.beta2 = beta2
    }

    public var name: String { "lion" }
    public var granularity: UpdateGranularity { .elements }

    public func states(forShape shape: [Int]) -> [OptimizerState] {
        [OptimizerState("firstMoment", shape: shape)]
    }

    public func update(_ slice: UpdateSlice, _ hyperParameters: HyperParameters) {
        slice.requireStates(1, of: "Lion")
        let rule = apus_lion(
            learning_rate: hyperParameters.learningRate, beta1: beta1, beta2: beta2,
            weight_decay: hyperParameters.weightDecay)
        apus_lion(slice.kernelUpdate(hyperParameters), slice.states[0], rule)
    }
}
