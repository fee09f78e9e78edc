import ApusBase
import ApusOptim

/// A rule with the buffers that an engine would give it, over one parameter.
struct RuleRun {
    let rule: any UpdateRule
    let shape: [Int]
    let weights: OwnedFloats
    let rounded: OwnedFloats?
    let states: [OwnedFloats]
    private(set) var step = 0

    init(
        _ rule: any UpdateRule, shape: [Int], weights: [Float], rounded dtype: DType? = nil
    ) {
        self.rule = rule
        self.shape = shape
        self.weights = OwnedFloats(weights)
        rounded = dtype.map { OwnedFloats(zeros: weights.count, as: $0) }
        states = rule.states(forShape: shape).map { OwnedFloats(zeros: $0.count) }
    }

    /// One update; `cuts` are the inner boundaries of the slices that it is made of.
    mutating func update(
        _ gradient: OwnedFloats, learningRate: Double, weightDecay: Double = 0,
        gradientScale: Float = 1, cuts: [Int] = []
    ) {
        step += 1
        let hyperParameters = HyperParameters(
            learningRate: learningRate, weightDecay: weightDecay, step: step,
            gradientScale: gradientScale)
        let bounds = [0] + cuts + [weights.memory.count]
        for (start, end) in zip(bounds, bounds.dropFirst()) {
            let slice = UpdateSlice(
                weights: weights.memory[start..<end], gradient: gradient.memory[start..<end],
                states: states.map { $0.pointer + start },
                roundedWeights: rounded?.memory[start..<end],
                shape: cuts.isEmpty ? shape : nil)
            rule.update(slice, hyperParameters)
        }
    }
}
