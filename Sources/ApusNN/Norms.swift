public import ApusTensor

/// Root-mean-square normalisation with a learned scale. Source: Zhang, Sennrich (2019).
public struct RMSNorm {
    public let weight: Parameter
    public let epsilon: Double

    public init(_ width: Int, epsilon: Double, in scope: Scope) {
        weight = scope.parameter("weight", [width], .ones)
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.rmsNorm(weight: weight.value, epsilon: epsilon)
    }
}

/// Normalisation to mean 0 and variance 1 with a learned scale and shift. Source: Ba et al. (2016).
public struct LayerNorm {
    public let weight: Parameter
    public let bias: Parameter
    public let epsilon: Double

    public init(_ width: Int, epsilon: Double, in scope: Scope) {
        weight = scope.parameter("weight", [width], .ones)
        bias = scope.parameter("bias", [width], .zeros)
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.layerNorm(weight.shape, weight: weight.value, bias: bias.value, epsilon: epsilon)
    }
}
