internal import CApusTorch

// Three overloads an operator and no more: with literals or generic scalars the type checker's time
// explodes (see Docs/decisions.md). Comparisons are methods.

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

    // MARK: In place

    /// `self += alpha * other`, in place.
    public func addInPlace(_ other: Tensor, alpha: Double = 1) {
        done("add", [self, other], apus_binary_in_place(APUS_ADD, pointer, other.pointer, alpha))
    }

    public func multiplyInPlace(_ other: Tensor) {
        done("multiply", [self, other], apus_binary_in_place(APUS_MULTIPLY, pointer, other.pointer, 1))
    }

    public func multiplyInPlace(_ value: Double) {
        done("multiply", [self], apus_binary_scalar_in_place(APUS_MULTIPLY, pointer, value))
    }

    // MARK: Comparison, element by element, to bool

    public func isEqual(to other: Tensor) -> Tensor { binary(APUS_EQUAL, other, "equal") }
    public func isEqual(to value: Double) -> Tensor { binary(APUS_EQUAL, value, "equal") }
    public func isNotEqual(to other: Tensor) -> Tensor { binary(APUS_NOT_EQUAL, other, "not equal") }
    public func isNotEqual(to value: Double) -> Tensor { binary(APUS_NOT_EQUAL, value, "not equal") }
    public func isLess(than other: Tensor) -> Tensor { binary(APUS_LESS, other, "less") }
    public func isLess(than value: Double) -> Tensor { binary(APUS_LESS, value, "less") }
    public func isLessOrEqual(to other: Tensor) -> Tensor { binary(APUS_LESS_EQUAL, other, "less or equal") }
    public func isLessOrEqual(to value: Double) -> Tensor { binary(APUS_LESS_EQUAL, value, "less or equal") }
    public func isGreater(than other: Tensor) -> Tensor { binary(APUS_GREATER, other, "greater") }
    public func isGreater(than value: Double) -> Tensor { binary(APUS_GREATER, value, "greater") }
    public func isGreaterOrEqual(to other: Tensor) -> Tensor {
        binary(APUS_GREATER_EQUAL, other, "greater or equal")
    }
    public func isGreaterOrEqual(to value: Double) -> Tensor {
        binary(APUS_GREATER_EQUAL, value, "greater or equal")
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
