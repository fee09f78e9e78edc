internal import CApusTorch

/// Runs `body` without keeping what its operations save for backward; backward runs it again, with
/// the random state of the first time, and goes through the fresh record.
///
/// `inputs` are the tensors through which gradients leave the region; parameters that `body` uses
/// get theirs as always. Regions nest.
/// ``gradients(of:weightedBy:withRespectTo:retainGraph:createGraph:)`` goes through the inputs, but
/// adds the gradients of parameters used inside to their `.gradient`.
///
/// Source: Chen et al.: "Training Deep Nets with Sublinear Memory Cost" (2016).
public func checkpointed(
    _ inputs: [Tensor], _ body: @escaping ([Tensor]) throws -> [Tensor]
) rethrows -> [Tensor] {
    guard isGradientEnabled else { return try body(inputs) }
    let random = RandomStates(of: Set(inputs.map(\.device)).union([.cpu]))
    return try customGradient("checkpointed", inputs: inputs) {
        try body(inputs)
    } backward: { outputGradients in
        let leaves = inputs.map { input in
            let leaf = input.detached()
            return input.requiresGradient ? leaf.requiringGradient() : leaf
        }
        let outputs = try random.replaying {
            try withGradient(enabled: true) { try body(leaves) }
        }
        backward(outputs, outputGradients)
        return leaves.map(\.gradient)
    }
}

/// Backward from those outputs that take part in autograd and got a gradient.
private func backward(_ outputs: [Tensor], _ gradients: [Tensor?]) {
    let pairs = zip(outputs, gradients).filter { $0.requiresGradient && $1 != nil }
    guard !pairs.isEmpty else { return }
    let roots = pairs.map(\.0)
    let weights = pairs.map(\.1)
    let status = roots.withPointers { roots, count in
        weights.withPointers { weights, _ in apus_backward(roots, weights, count, false) }
    }
    done("backward", roots, status)
}

/// The states of some devices' default generators at one moment.
private struct RandomStates {
    let states: [Device: Tensor]

    init(of devices: Set<Device>) {
        states = Dictionary(
            uniqueKeysWithValues: devices.map { ($0, Generator.defaultState(of: $0)) })
    }

    /// Runs `body` from these states on; those of now return afterwards.
    func replaying<Result>(_ body: () throws -> Result) rethrows -> Result {
        let present = RandomStates(of: Set(states.keys))
        restore()
        defer { present.restore() }
        return try body()
    }

    private func restore() {
        for (device, state) in states { Generator.setDefaultState(state, of: device) }
    }
}
