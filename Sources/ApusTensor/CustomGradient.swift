internal import CApusTorch

/// The backward of a custom operation: gradients of the outputs in (nil where none flows), gradients of
/// the inputs out (nil where none is needed).
public typealias BackwardFunction = ([Tensor?]) throws -> [Tensor?]

private final class BackwardContext {
    let inputCount: Int
    let outputCount: Int
    let body: BackwardFunction

    init(inputCount: Int, outputCount: Int, body: @escaping BackwardFunction) {
        self.inputCount = inputCount
        self.outputCount = outputCount
        self.body = body
    }

    func run(
        _ gradOutputs: UnsafePointer<OpaquePointer?>, _ gradInputs: UnsafeMutablePointer<OpaquePointer?>
    ) throws {
        let outputs = (0..<outputCount).map { index in
            gradOutputs[index].map { Tensor(owning: apus_tensor_retain($0)) }
        }
        let inputs = try body(outputs)
        precondition(
            inputs.count == inputCount,
            "custom backward: \(inputs.count) gradients for \(inputCount) inputs")
        for (index, input) in inputs.enumerated() {
            gradInputs[index] = input.map { apus_tensor_retain($0.pointer) }
        }
    }
}

/// An operation with a backward of its own: `forward` runs unrecorded, its outputs take part in autograd
/// through `backward`. The outputs require a gradient even when no input does, because `backward` may
/// concern parameters that are no inputs.
public func customGradient(
    _ name: String, inputs: [Tensor], forward: () throws -> [Tensor], backward: @escaping BackwardFunction
) rethrows -> [Tensor] {
    let outputs = try withoutGradient(forward)
    guard isGradientEnabled, !outputs.isEmpty else { return outputs }
    let context = BackwardContext(
        inputCount: inputs.count, outputCount: outputs.count, body: backward)
    let retained = Unmanaged.passRetained(context).toOpaque()
    var attached = [OpaquePointer?](repeating: nil, count: outputs.count)
    let inputPointers = inputs.map(\.pointer)
    let status = withExtendedLifetime(inputs) {
        outputs.withPointers { outputPointers, outputCount in
            apus_attach_backward(
                inputPointers, Int32(inputPointers.count), outputPointers, outputCount, name,
                { context, gradOutputs, gradInputs in
                    let node = Unmanaged<BackwardContext>.fromOpaque(context!).takeUnretainedValue()
                    return callback { try node.run(gradOutputs, gradInputs) }
                },
                { Unmanaged<BackwardContext>.fromOpaque($0!).release() },
                retained, &attached)
        }
    }
    done("custom gradient", inputs, status)
    return attached.map { Tensor(owning: $0 ?? apus_tensor_undefined()) }
}

/// Runs `body` without keeping what its operations save for backward; backward runs it again, with the
/// random state of the first time, and goes through the fresh record.
///
/// `inputs` are the tensors through which gradients leave the region; parameters that `body` uses get
/// theirs as always. Source: Chen et al.: "Training Deep Nets with Sublinear Memory Cost" (2016).
public func checkpointed(
    _ inputs: [Tensor], _ body: @escaping ([Tensor]) throws -> [Tensor]
) rethrows -> [Tensor] {
    guard isGradientEnabled else { return try body(inputs) }
    let device = inputs.first?.device ?? .cpu
    let randomState = Generator.defaultState(of: device)
    return try customGradient("checkpointed", inputs: inputs) {
        try body(inputs)
    } backward: { outputGradients in
        let present = Generator.defaultState(of: device)
        Generator.setDefaultState(randomState, of: device)
        defer { Generator.setDefaultState(present, of: device) }
        let leaves = inputs.map { input in
            let leaf = input.detached()
            return input.requiresGradient ? leaf.requiringGradient() : leaf
        }
        let outputs = try withGradient(enabled: true) { try body(leaves) }
        try backward(outputs, outputGradients)
        return leaves.map(\.gradient)
    }
}

/// Backward from those outputs that take part in autograd and got a gradient.
private func backward(_ outputs: [Tensor], _ gradients: [Tensor?]) throws {
    let pairs = zip(outputs, gradients).filter { $0.requiresGradient && $1 != nil }
    guard !pairs.isEmpty else { return }
    let roots = pairs.map(\.0)
    let weights = pairs.map(\.1)
    let status = roots.withPointers { pointers, count in
        apus_backward(pointers, weights.map { $0?.pointer }, count, false)
    }
    guard status == APUS_OK else {
        throw TensorError(status: status, summary: String(cString: apus_last_message()))
    }
}
