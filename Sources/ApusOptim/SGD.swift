internal import CApusHost

/// Stochastic gradient descent as `torch.optim.SGD` defines it: weight decay joins the gradient,
/// and the first update starts the momentum with the gradient itself.
public struct SGD: UpdateRule, Hashable {
    public var momentum: Double
    public var dampening: Double
    public var nesterov: Bool

    public init(momentum: Double = 0, dampening: Double = 0, nesterov: Bool = false) {
        precondition(
            !nesterov || (momentum > 0 && dampening == 0),
            "SGD: Nesterov momentum needs a momentum and no dampening")
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
    }

    public var name: String { "sgd" }
    public var granularity: UpdateGranularity { .elements }

    public func states(forShape shape: [Int]) -> [OptimizerState] {
        momentum == 0 ? [] : [OptimizerState("momentum", shape: shape)]
    }

    public func update(_ slice: UpdateSlice, _ hyperParameters: HyperParameters) {
        slice.requireStates(momentum == 0 ? 0 : 1, of: "SGD")
        let rule = apus_sgd(
            learning_rate: hyperParameters.learningRate, momentum: momentum,
            dampening: dampening, weight_decay: hyperParameters.weightDecay, nesterov: nesterov,
            first_step: hyperParameters.step == 1)
        apus_sgd(slice.kernelUpdate(hyperParameters), slice.states.first, rule)
    }
}
