internal import CApusTorch

/// Functions of each element. Integers become float32 where the result is no integer.
extension Tensor {
    public func abs() -> Tensor { unary(APUS_ABS, "abs") }
    /// -1, 0 or 1.
    public func sign() -> Tensor { unary(APUS_SIGN, "sign") }
    public func exp() -> Tensor { unary(APUS_EXP, "exp") }
    /// 2 to the power of the element.
    public func exp2() -> Tensor { unary(APUS_EXP2, "exp2") }
    /// `exp(x) - 1`, exact near 0.
    public func expMinusOne() -> Tensor { unary(APUS_EXPM1, "expm1") }
    public func log() -> Tensor { unary(APUS_LOG, "log") }
    public func log2() -> Tensor { unary(APUS_LOG2, "log2") }
    public func log10() -> Tensor { unary(APUS_LOG10, "log10") }
    /// `log(1 + x)`, exact near 0.
    public func logOnePlus() -> Tensor { unary(APUS_LOG1P, "log1p") }
    public func sqrt() -> Tensor { unary(APUS_SQRT, "sqrt") }
    /// `1 / sqrt(x)`.
    public func rsqrt() -> Tensor { unary(APUS_RSQRT, "rsqrt") }
    public func square() -> Tensor { unary(APUS_SQUARE, "square") }
    /// `1 / x`.
    public func reciprocal() -> Tensor { unary(APUS_RECIPROCAL, "reciprocal") }

    public func sin() -> Tensor { unary(APUS_SIN, "sin") }
    public func cos() -> Tensor { unary(APUS_COS, "cos") }
    public func tan() -> Tensor { unary(APUS_TAN, "tan") }
    public func asin() -> Tensor { unary(APUS_ASIN, "asin") }
    public func acos() -> Tensor { unary(APUS_ACOS, "acos") }
    public func atan() -> Tensor { unary(APUS_ATAN, "atan") }
    public func sinh() -> Tensor { unary(APUS_SINH, "sinh") }
    public func cosh() -> Tensor { unary(APUS_COSH, "cosh") }
    public func tanh() -> Tensor { unary(APUS_TANH, "tanh") }

    /// The error function.
    public func erf() -> Tensor { unary(APUS_ERF, "erf") }
    /// `1 - erf(x)`, exact for large x.
    public func erfc() -> Tensor { unary(APUS_ERFC, "erfc") }
    /// The inverse of ``erf()``, for elements between -1 and 1.
    public func inverseErf() -> Tensor { unary(APUS_ERFINV, "erfinv") }

    /// Rounded down.
    public func floor() -> Tensor { unary(APUS_FLOOR, "floor") }
    /// Rounded up.
    public func ceil() -> Tensor { unary(APUS_CEIL, "ceil") }
    /// Rounded to the nearest whole number, halves to the even one.
    public func round() -> Tensor { unary(APUS_ROUND, "round") }
    /// Rounded towards zero.
    public func truncated() -> Tensor { unary(APUS_TRUNC, "trunc") }

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

    /// Keeps what lies on and above the `diagonal` (0: the main one) of the last two dimensions.
    public func upperTriangle(diagonal: Int = 0) -> Tensor {
        made("triu", [self]) { apus_triangle(pointer, false, Int64(diagonal), $0) }
    }
}
