internal import CApusHost

/// Adafactor (Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
/// 2018) with an external learning rate: no relative steps, no parameter scaling, no first
/// moment, which is how the HuggingFace Trainer runs it.
///
/// The second moment of a parameter with two or more dimensions is kept as one number per row and
/// one per column of its last two; others keep one per element.
public struct Adafactor: UpdateRule, Hashable {
    /// Exponent of the second moment's decay, 1 - step ^ decayRate.
    public var decayRate: Double
    /// Added to squared gradients.
    public var epsilon: Double
    /// The largest root mean square of an update, before the learning rate.
    public var clipThreshold: Double

    public init(decayRate: Double = -0.8, epsilon: Double = 1e-30, clipThreshold: Double = 1) {
        self.decayRate = decayRate
        self.epsilon = epsilon
        self.clipThreshold = clipThreshold
    }

    public var name: String { "adafactor" }
    public var granularity: UpdateGranularity { .wholeParameters }

    public func states(forShape shape: [Int]) -> [OptimizerState] {
        guard shape.count >= 2 else { return [OptimizerState("secondMoment", shape: shape)] }
        return [
            OptimizerState("rowSecondMoment", shape: shape.dropLast()),
            OptimizerState("columnSecondMoment", shape: shape.dropLast(2) + shape.suffix(1)),
        ]
    }

    public func update(_ slice: UpdateSlice, _ hyperParameters: HyperParameters) {
        let rule = apus_adafactor(
            learning_rate: hyperParameters.learningRate,
            weight_decay: hyperParameters.weightDecay, decay_rate: decayRate, epsilon: epsilon,
            clip_threshold: clipThreshold, step: Int64(hyperParameters.step))
        let kernelUpdate = slice.kernelUpdate(hyperParameters)
        guard slice.shape.count >= 2 else {
            slice.requireStates(1, of: "Adafactor")
            apus_adafactor_unfactored(kernelUpdate, slice.states[0], rule)
            return
        }
        slice.requireStates(2, of: "Adafactor")
        let matrices = slice.shape.dropLast(2).reduce(1, *)
        let rows = slice.shape[slice.shape.count - 2]
        let columns = slice.shape[slice.shape.count - 1]
        apus_adafactor_factored(
            kernelUpdate, matrices, rows, columns, slice.states[0], slice.states[1], rule)
    }
}
