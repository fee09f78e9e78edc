public import ApusTensor

/// `x W^T + b`: weight `[outputs, inputs]`, bias `[outputs]`, as PyTorch lays them out.
public struct Linear {
    public let weight: Parameter
    public let bias: Parameter?

    public init(
        _ inputs: Int, _ outputs: Int, bias: Bool, initializer: Initializer? = nil, in scope: Scope
    ) {
        // PyTorch's default: uniform within 1 / sqrt(inputs).
        let bound = Initializer.uniform(bound: 1 / Double(inputs).squareRoot())
        weight = scope.parameter("weight", [outputs, inputs], initializer ?? bound)
        self.bias = bias ? scope.parameter("bias", [outputs], .zeros) : nil
    }

    /// `[..., inputs]` -> `[..., outputs]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.linear(weight: weight.value, bias: bias?.value)
    }
}

/// GPT-2's linear layer: the same map with the weight stored `[inputs, outputs]`.
public struct Conv1D {
    public let weight: Parameter
    public let bias: Parameter

    public init(_ inputs: Int, _ outputs: Int, initializer: Initializer, in scope: Scope) {
        weight = scope.parameter("weight", [inputs, outputs], initializer)
        bias = scope.parameter("bias", [outputs], .zeros)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.linear(weight: weight.value.transposed, bias: bias.value)
    }
}
