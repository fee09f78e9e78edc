internal import CApusTorch

// Three overloads an operator and no more: with literals or generic scalars the type checker's time
// explodes (see Docs/decisions.md). Comparisons are methods.
//
// Shapes broadcast as everywhere: aligned at their ends, a dimension of size 1 fits any other. A
// whole number leaves an integer tensor an integer tensor; dividing makes it float32.

extension Tensor {
    public static func + (a: Tensor, b: Tensor) -> Tensor { a.binary(APUS_ADD, b, "add") }
    public static func + (a: Tensor, b: Double) -> Tensor { a.binary(APUS_ADD, b, "add") }
    public static func + (a: Double, b: Tensor) -> Tensor { b.binary(APUS_ADD, a, "add") }

    public static func - (a: Tensor, b: Tensor) -> Tensor { a.binary(APUS_SUBTRACT, b, "subtract") }
    public static func - (a: Tensor, b: Double) -> Tensor { a.binary(APUS_SUBTRACT, b, "subtract") }
    public static func - (a: Double, b: Tensor) -> Tensor {
        b.binary(APUS_SUBTRACT, a, "subtract", reversed: true)
    }

    public static func * (a: Tensor, b: Tensor) -> Tensor { a.binary(APUS_MULTIPLY, b, "multiply") }
    public static func * (a: Tensor, b: Double) -> Tensor { a.binary(APUS_MULTIPLY, b, "multiply") }
    public static func * (a: Double, b: Tensor) -> Tensor { b.binary(APUS_MULTIPLY, a, "multiply") }

    public static func / (a: Tensor, b: Tensor) -> Tensor { a.binary(APUS_DIVIDE, b, "divide") }
    public static func / (a: Tensor, b: Double) -> Tensor { a.binary(APUS_DIVIDE, b, "divide") }
    public static func / (a: Double, b: Tensor) -> Tensor {
        b.binary(APUS_DIVIDE, a, "divide", reversed: true)
    }

    public static prefix func - (a: Tensor) -> Tensor { a.unary(APUS_NEG, "negate") }

    public static func += (a: inout Tensor, b: Tensor) { a = a + b }
    public static func -= (a: inout Tensor, b: Tensor) { a = a - b }
    public static func *= (a: inout Tensor, b: Tensor) { a = a * b }
    public static func /= (a: inout Tensor, b: Tensor) { a = a / b }

    // MARK: Division with remainder, powers, extremes

    /// The quotient rounded down.
    public func floorDivided(by other: Tensor) -> Tensor {
        binary(APUS_FLOOR_DIVIDE, other, "floor divide")
    }
    public func floorDivided(by value: Double) -> Tensor {
        binary(APUS_FLOOR_DIVIDE, value, "floor divide")
    }

    /// What floor division leaves: it has the divisor's sign.
    public func remainder(dividingBy other: Tensor) -> Tensor {
        binary(APUS_REMAINDER, other, "remainder")
    }
    public func remainder(dividingBy value: Double) -> Tensor {
        binary(APUS_REMAINDER, value, "remainder")
    }

    /// What division rounded towards zero leaves: it has the dividend's sign.
    public func truncatingRemainder(dividingBy other: Tensor) -> Tensor {
        binary(APUS_FMOD, other, "truncating remainder")
    }
    public func truncatingRemainder(dividingBy value: Double) -> Tensor {
        binary(APUS_FMOD, value, "truncating remainder")
    }

    public func pow(_ exponent: Double) -> Tensor { binary(APUS_POW, exponent, "pow") }
    public func pow(_ exponent: Tensor) -> Tensor { binary(APUS_POW, exponent, "pow") }

    /// `base` to the power of each element.
    public static func pow(_ base: Double, _ exponent: Tensor) -> Tensor {
        exponent.binary(APUS_POW, base, "pow", reversed: true)
    }

    /// The larger of both, element by element; NaN where one is.
    public func maximum(_ other: Tensor) -> Tensor { binary(APUS_MAXIMUM, other, "maximum") }
    public func maximum(_ value: Double) -> Tensor { binary(APUS_MAXIMUM, value, "maximum") }

    /// The smaller of both, element by element; NaN where one is.
    public func minimum(_ other: Tensor) -> Tensor { binary(APUS_MINIMUM, other, "minimum") }
    public func minimum(_ value: Double) -> Tensor { binary(APUS_MINIMUM, value, "minimum") }

    /// The angle of the point with this y and that x.
    public func atan2(_ x: Tensor) -> Tensor { binary(APUS_ATAN2, x, "atan2") }

    /// `log(exp(a) + exp(b))` without overflow.
    public func logAddExp(_ other: Tensor) -> Tensor { binary(APUS_LOGADDEXP, other, "logaddexp") }

    // MARK: Fused

    /// `self + scale * a * b`.
    public func adding(product a: Tensor, _ b: Tensor, scale: Double = 1) -> Tensor {
        made("addcmul", [self, a, b]) {
            apus_addcmul(pointer, a.pointer, b.pointer, scale, $0)
        }
    }

    /// `self + scale * a / b`.
    public func adding(quotient a: Tensor, _ b: Tensor, scale: Double = 1) -> Tensor {
        made("addcdiv", [self, a, b]) {
            apus_addcdiv(pointer, a.pointer, b.pointer, scale, $0)
        }
    }

    /// `self + weight * (end - self)`.
    public func interpolated(to end: Tensor, weight: Double) -> Tensor {
        made("lerp", [self, end]) { apus_lerp(pointer, end.pointer, weight, $0) }
    }

    // MARK: In place

    /// `self += alpha * other`, in place.
    public func addInPlace(_ other: Tensor, alpha: Double = 1) {
        done("add", [self, other], apus_binary_in_place(APUS_ADD, pointer, other.pointer, alpha))
    }

    /// `self += value`, in place.
    public func addInPlace(_ value: Double) {
        done("add", [self], apus_binary_scalar_in_place(APUS_ADD, pointer, value))
    }

    /// `self -= alpha * other`, in place.
    public func subtractInPlace(_ other: Tensor, alpha: Double = 1) {
        let status = apus_binary_in_place(APUS_SUBTRACT, pointer, other.pointer, alpha)
        done("subtract", [self, other], status)
    }

    /// `self *= other`, in place.
    public func multiplyInPlace(_ other: Tensor) {
        let status = apus_binary_in_place(APUS_MULTIPLY, pointer, other.pointer, 1)
        done("multiply", [self, other], status)
    }

    /// `self *= value`, in place.
    public func multiplyInPlace(_ value: Double) {
        done("multiply", [self], apus_binary_scalar_in_place(APUS_MULTIPLY, pointer, value))
    }

    /// `self /= other`, in place.
    public func divideInPlace(_ other: Tensor) {
        done("divide", [self, other], apus_binary_in_place(APUS_DIVIDE, pointer, other.pointer, 1))
    }

    // MARK: Families

    func unary(_ kind: apus_unary_kind, _ name: StaticString) -> Tensor {
        made(name, [self]) { apus_unary(kind, pointer, $0) }
    }

    func binary(_ kind: apus_binary_kind, _ other: Tensor, _ name: StaticString) -> Tensor {
        made(name, [self, other]) { apus_binary(kind, pointer, other.pointer, $0) }
    }

    func binary(
        _ kind: apus_binary_kind, _ value: Double, _ name: StaticString, reversed: Bool = false
    ) -> Tensor {
        made(name, [self]) { apus_binary_scalar(kind, pointer, value, reversed, $0) }
    }
}
