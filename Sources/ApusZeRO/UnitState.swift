internal import ApusBase
internal import ApusComm
internal import ApusOptim
internal import ApusShard
internal import ApusTensor

/// All that one flat buffer of a unit consists of.
final class UnitState {
    let weights: UnitWeights
    /// nil for frozen parameters.
    let gradient: UnitGradient?
    var completion: GradientCompletion
    private(set) var optimizer: Optimizer?

    enum Optimizer {
        case elements(UnitOptimizer)
        case wholeParameters(WholeParameterOptimizer)
    }

    init(_ weights: UnitWeights, gradient: UnitGradient?) {
        self.weights = weights
        self.gradient = gradient
        completion = GradientCompletion(slotCount: weights.layout.slots.count)
    }

    var layout: UnitLayout { weights.layout }

    /// The optimizer, whose memory comes with the first use.
    func preparedOptimizer(
        _ options: EngineOptions, owners: [Int: Int], group: any ProcessGroup
    ) -> Optimizer {
        if let optimizer { return optimizer }
        let made: Optimizer =
            switch options.rule.granularity {
            case .elements:
                .elements(
                    UnitOptimizer(weights, rule: options.rule, moment: options.precision.moment))
            case .wholeParameters:
                .wholeParameters(
                    WholeParameterOptimizer(
                        weights, rule: options.rule,
                        owners: layout.slots.map { owners[$0.parameter] ?? 0 }, group: group))
            }
        optimizer = made
        return made
    }
}

extension UnitState.Optimizer {
    func update(
        gradient: Tensor, _ hyperParameters: HyperParameters, weightDecay: Double
    ) throws(CommError) {
        switch self {
        case .elements(let optimizer):
            optimizer.update(gradient: gradient, hyperParameters, weightDecay: weightDecay)
        case .wholeParameters(let optimizer):
            try optimizer.update(gradient: gradient, hyperParameters, weightDecay: weightDecay)
        }
    }

    var byteCount: Int {
        switch self {
        case .elements(let optimizer): optimizer.byteCount
        case .wholeParameters(let optimizer): optimizer.byteCount
        }
    }
}
