internal import CApusTorch

/// Activation functions of neural networks, element by element.
extension Tensor {
    /// `1 / (1 + exp(-x))`.
    public func sigmoid() -> Tensor { unary(APUS_SIGMOID, "sigmoid") }
    /// `log(sigmoid(x))` without overflow.
    public func logSigmoid() -> Tensor { unary(APUS_LOG_SIGMOID, "log_sigmoid") }
    /// `max(x, 0)`.
    public func relu() -> Tensor { unary(APUS_RELU, "relu") }
    /// `x` for positive elements, `slope * x` for others.
    public func leakyRelu(slope: Double = 0.01) -> Tensor {
        made("leaky_relu", [self]) { apus_leaky_relu(pointer, slope, $0) }
    }
    /// `x * sigmoid(x)`, also called swish.
    public func silu() -> Tensor { unary(APUS_SILU, "silu") }
    /// The exact Gaussian error linear unit.
    ///
    /// Source: Hendrycks, Gimpel: "Gaussian Error Linear Units" (2016).
    public func gelu() -> Tensor { unary(APUS_GELU, "gelu") }
    /// Its tanh approximation (`gelu_new`, `gelu_pytorch_tanh`).
    public func geluTanh() -> Tensor { unary(APUS_GELU_TANH, "gelu") }
    /// `log(1 + exp(x))` without overflow.
    public func softplus() -> Tensor { unary(APUS_SOFTPLUS, "softplus") }
    /// `x * tanh(softplus(x))`.
    public func mish() -> Tensor { unary(APUS_MISH, "mish") }
    /// `x` for positive elements, `exp(x) - 1` for others.
    public func elu() -> Tensor { unary(APUS_ELU, "elu") }
    /// ``elu()`` with the constants that keep mean and variance.
    ///
    /// Source: Klambauer et al.: "Self-Normalizing Neural Networks" (2017).
    public func selu() -> Tensor { unary(APUS_SELU, "selu") }
    /// `clamp((x + 3) / 6, 0, 1)`.
    public func hardSigmoid() -> Tensor { unary(APUS_HARDSIGMOID, "hardsigmoid") }
    /// `x * hardSigmoid(x)`.
    public func hardSwish() -> Tensor { unary(APUS_HARDSWISH, "hardswish") }

    /// The first half of a dimension times the sigmoid of its second half; the dimension is halved.
    public func glu(_ dim: Int = -1) -> Tensor {
        made("glu", [self]) { apus_glu(pointer, Int64(dim), $0) }
    }

    /// Positive numbers along a dimension that add up to 1.
    public func softmax(_ dim: Int = -1) -> Tensor {
        made("softmax", [self]) { apus_softmax(pointer, Int64(dim), false, $0) }
    }

    /// The logarithm of ``softmax(_:)`` without overflow.
    public func logSoftmax(_ dim: Int = -1) -> Tensor {
        made("log_softmax", [self]) { apus_softmax(pointer, Int64(dim), true, $0) }
    }

    /// Zeroes elements with the given probability and scales the others up by 1 / (1 -
    /// probability); the identity in evaluation. Draws from the device's default generator.
    public func dropout(_ probability: Double, isTraining: Bool) -> Tensor {
        made("dropout", [self]) { apus_dropout(pointer, probability, isTraining, $0) }
    }
}
