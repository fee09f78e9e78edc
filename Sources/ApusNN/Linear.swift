public import ApusTensor

/// `x W^T + b`: weight `[outputs, inputs]`, bias `[outputs]`, as PyTorch lays them out.
public struct Linear {
    public let weight: Parameter
    public let bias: Parameter?
    private let update: LowRankUpdate?
    private let watcher: ((Tensor) -> Void)?

    public init(
        _ inputs: Int, _ outputs: Int, bias: Bool, initializer: Initializer? = nil, in scope: Scope
    ) {
        // PyTorch's default: uniform within 1 / sqrt(inputs).
        let bound = Initializer.uniform(bound: 1 / Double(inputs).squareRoot())
        weight = scope.linearWeight([outputs, inputs], initializer ?? bound, kind: .linear)
        update = LowRankUpdate(inputs, outputs, kind: .linear, in: scope)
        watcher = scope.watcher(kind: .linear)
        self.bias = bias ? scope.parameter("bias", [outputs], .zeros) : nil
    }

    /// `[..., inputs]` -> `[..., outputs]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        watcher?(x)
        let plain =
            weight.quantized == nil
            ? x.linear(weight: weight.value, bias: bias?.value)
            : x.linear(frozen: weight, bias: bias?.value, isTransposed: false)
        guard let update else { return plain }
        return update.linear(x, plain: plain, bias: bias?.value) { weight.value }
    }
}

/// GPT-2's linear layer: the same map with the weight stored `[inputs, outputs]`.
public struct Conv1D {
    public let weight: Parameter
    public let bias: Parameter
    private let update: LowRankUpdate?
    private let watcher: ((Tensor) -> Void)?

    public init(_ inputs: Int, _ outputs: Int, initializer: Initializer, in scope: Scope) {
        weight = scope.linearWeight([inputs, outputs], initializer, kind: .transposedLinear)
        update = LowRankUpdate(inputs, outputs, kind: .transposedLinear, in: scope)
        watcher = scope.watcher(kind: .transposedLinear)
        bias = scope.parameter("bias", [outputs], .zeros)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        watcher?(x)
        let plain =
            weight.quantized == nil
            ? x.linear(weight: weight.value.transposed, bias: bias.value)
            : x.linear(frozen: weight, bias: bias.value, isTransposed: true)
        guard let update else { return plain }
        return update.linear(x, plain: plain, bias: bias.value) { weight.value.transposed }
    }
}
