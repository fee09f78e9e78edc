internal import CApusTorch

/// Element-wise functions.
extension Tensor {
    public func abs() -> Tensor { unary(APUS_ABS, "abs") }
    public func exp() -> Tensor { unary(APUS_EXP, "exp") }
    public func log() -> Tensor { unary(APUS_LOG, "log") }
    public func sqrt() -> Tensor { unary(APUS_SQRT, "sqrt") }
    public func rsqrt() -> Tensor { unary(APUS_RSQRT, "rsqrt") }
    public func square() -> Tensor { unary(APUS_SQUARE, "square") }
    public func reciprocal() -> Tensor { unary(APUS_RECIPROCAL, "reciprocal") }
    public func sin() -> Tensor { unary(APUS_SIN, "sin") }
    public func cos() -> Tensor { unary(APUS_COS, "cos") }
    public func tanh() -> Tensor { unary(APUS_TANH, "tanh") }
    public func sigmoid() -> Tensor { unary(APUS_SIGMOID, "sigmoid") }
    public func relu() -> Tensor { unary(APUS_RELU, "relu") }
    /// `x * sigmoid(x)`, also called swish.
    public func silu() -> Tensor { unary(APUS_SILU, "silu") }
    /// The exact Gaussian error linear unit.
    public func gelu() -> Tensor { unary(APUS_GELU, "gelu") }
    /// Its tanh approximation (`gelu_new`, `gelu_pytorch_tanh`).
    public func geluTanh() -> Tensor { unary(APUS_GELU_TANH, "gelu") }
    public func isFinite() -> Tensor { unary(APUS_IS_FINITE, "is finite") }
    public func isNaN() -> Tensor { unary(APUS_IS_NAN, "is nan") }

    public func pow(_ exponent: Double) -> Tensor { binary(APUS_POW, exponent, "pow") }
    public func pow(_ exponent: Tensor) -> Tensor { binary(APUS_POW, exponent, "pow") }

    /// Limits every element; nil means no limit.
    public func clamp(min low: Double? = nil, max high: Double? = nil) -> Tensor {
        made("clamp", [self]) { apus_clamp(pointer, low ?? -.infinity, high ?? .infinity, $0) }
    }

    /// `condition ? a : b`, element by element, broadcast.
    public static func select(_ condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
        made("where", [condition, a, b]) {
            apus_where(condition.pointer, a.pointer, b.pointer, $0)
        }
    }

    /// `value` where `mask` (bool, broadcast) is true.
    public func maskedFill(_ mask: Tensor, _ value: Double) -> Tensor {
        made("masked_fill", [self, mask]) { apus_masked_fill(pointer, mask.pointer, value, $0) }
    }

    /// Keeps what lies on and below the `diagonal` (0: the main one) of the last two dimensions.
    public func lowerTriangle(diagonal: Int = 0) -> Tensor {
        made("tril", [self]) { apus_triangle(pointer, true, Int64(diagonal), $0) }
    }

    public func upperTriangle(diagonal: Int = 0) -> Tensor {
        made("triu", [self]) { apus_triangle(pointer, false, Int64(diagonal), $0) }
    }

    // MARK: Matrices

    /// The product over the last two dimensions, batched and broadcast over the others.
    public func matmul(_ other: Tensor) -> Tensor {
        made("matmul", [self, other]) { apus_matmul(pointer, other.pointer, $0) }
    }

    /// `[..., in]` times the transpose of `weight` `[out, in]`, plus `bias` `[out]` -> `[..., out]`.
    public func linear(weight: Tensor, bias: Tensor? = nil) -> Tensor {
        made("linear", [self, weight]) {
            apus_linear(pointer, weight.pointer, bias?.pointer, $0)
        }
    }

    /// `self += alpha * a x b`, in place: this `[n, m]`, a `[n, k]`, b `[k, m]`.
    public func addProductInPlace(_ a: Tensor, _ b: Tensor, alpha: Double = 1) {
        done(
            "add product", [self, a, b],
            apus_add_product(pointer, a.pointer, b.pointer, alpha))
    }
}
