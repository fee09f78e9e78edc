internal import CApusHost

extension UpdateSlice {
    /// The C form of this slice.
    func kernelUpdate(_ hyperParameters: HyperParameters) -> apus_update {
        apus_update(
            weights: weights.start.assumingMemoryBound(to: Float.self),
            gradient: gradient.constant, gradient_scale: hyperParameters.gradientScale,
            copy: roundedWeights?.mutable
                ?? apus_mutable_floats(data: nil, format: APUS_FLOAT32),
            count: count)
    }

    func requireStates(_ count: Int, of rule: String) {
        precondition(
            states.count == count,
            "\(rule) keeps \(count) states for a parameter of shape \(shape), not \(states.count)")
    }
}
