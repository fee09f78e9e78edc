internal import CApusTorch

/// The backward of a custom operation: gradients of the outputs in (nil where none flows),
/// gradients of the inputs out (nil where none is needed).
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
        _ gradOutputs: UnsafePointer<OpaquePointer?>,
        _ gradInputs: UnsafeMutablePointer<OpaquePointer?>
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

/// An operation with a backward of its own: `forward` runs unrecorded, its outputs take part in
/// autograd through `backward`. Outputs of a floating-point type require a gradient even when no
/// input does, because `backward` may concern parameters that are no inputs.
///
/// `backward` runs unrecorded, once for each backward through the outputs; what it captures is
/// released after the last one. An error thrown in it makes `Tensor.backward` fail with its text.
///
/// - name: how errors of libtorch call the operation
public func customGradient(
    _ name: String, inputs: [Tensor], forward: () throws -> [Tensor],
    backward: @escaping BackwardFunction
) rethrows -> [Tensor] {
    let outputs = try withoutGradient(forward)
    guard isGradientEnabled, !outputs.isEmpty else { return outputs }
    let context = BackwardContext(
        inputCount: inputs.count, outputCount: outputs.count, body: backward)
    let retained = Unmanaged.passRetained(context).toOpaque()
    return made("custom gradient", outputs.count, inputs) { attached in
        inputs.withPointers { inputPointers, inputCount in
            outputs.withPointers { outputPointers, outputCount in
                apus_attach_backward(
                    inputPointers, inputCount, outputPointers, outputCount, name,
                    { context, gradOutputs, gradInputs in
                        let node = Unmanaged<BackwardContext>.fromOpaque(context!)
                        return callback {
                            try node.takeUnretainedValue().run(gradOutputs, gradInputs)
                        }
                    },
                    { Unmanaged<BackwardContext>.fromOpaque($0!).release() },
                    retained, attached)
            }
        }
    }
}
