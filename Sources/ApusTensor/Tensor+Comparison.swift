internal import CApusTorch

/// Comparison and logic, element by element and broadcast; results are bool unless said otherwise.
extension Tensor {
    public func isEqual(to other: Tensor) -> Tensor { binary(APUS_EQUAL, other, "equal") }
    public func isEqual(to value: Double) -> Tensor { binary(APUS_EQUAL, value, "equal") }
    public func isNotEqual(to other: Tensor) -> Tensor {
        binary(APUS_NOT_EQUAL, other, "not equal")
    }
    public func isNotEqual(to value: Double) -> Tensor {
        binary(APUS_NOT_EQUAL, value, "not equal")
    }
    public func isLess(than other: Tensor) -> Tensor { binary(APUS_LESS, other, "less") }
    public func isLess(than value: Double) -> Tensor { binary(APUS_LESS, value, "less") }
    public func isLessOrEqual(to other: Tensor) -> Tensor {
        binary(APUS_LESS_EQUAL, other, "less or equal")
    }
    public func isLessOrEqual(to value: Double) -> Tensor {
        binary(APUS_LESS_EQUAL, value, "less or equal")
    }
    public func isGreater(than other: Tensor) -> Tensor { binary(APUS_GREATER, other, "greater") }
    public func isGreater(than value: Double) -> Tensor { binary(APUS_GREATER, value, "greater") }
    public func isGreaterOrEqual(to other: Tensor) -> Tensor {
        binary(APUS_GREATER_EQUAL, other, "greater or equal")
    }
    public func isGreaterOrEqual(to value: Double) -> Tensor {
        binary(APUS_GREATER_EQUAL, value, "greater or equal")
    }

    /// Neither infinite nor NaN.
    public func isFinite() -> Tensor { unary(APUS_IS_FINITE, "is finite") }
    public func isInfinite() -> Tensor { unary(APUS_IS_INF, "is infinite") }
    public func isNaN() -> Tensor { unary(APUS_IS_NAN, "is nan") }

    // MARK: Logic; what is not zero counts as true

    public func logicalNot() -> Tensor { unary(APUS_LOGICAL_NOT, "logical not") }
    public func logicalAnd(_ other: Tensor) -> Tensor {
        binary(APUS_LOGICAL_AND, other, "logical and")
    }
    public func logicalOr(_ other: Tensor) -> Tensor {
        binary(APUS_LOGICAL_OR, other, "logical or")
    }
    public func logicalXor(_ other: Tensor) -> Tensor {
        binary(APUS_LOGICAL_XOR, other, "logical xor")
    }

    // MARK: Bits of integers (and of bool); results have the operands' type

    public func bitwiseNot() -> Tensor { unary(APUS_BITWISE_NOT, "bitwise not") }
    public func bitwiseAnd(_ other: Tensor) -> Tensor {
        binary(APUS_BITWISE_AND, other, "bitwise and")
    }
    public func bitwiseAnd(_ bits: Int) -> Tensor {
        binary(APUS_BITWISE_AND, Double(bits), "bitwise and")
    }
    public func bitwiseOr(_ other: Tensor) -> Tensor {
        binary(APUS_BITWISE_OR, other, "bitwise or")
    }
    public func bitwiseXor(_ other: Tensor) -> Tensor {
        binary(APUS_BITWISE_XOR, other, "bitwise xor")
    }
    public func shiftedLeft(by bits: Int) -> Tensor {
        binary(APUS_SHIFT_LEFT, Double(bits), "shift left")
    }
    public func shiftedRight(by bits: Int) -> Tensor {
        binary(APUS_SHIFT_RIGHT, Double(bits), "shift right")
    }

    // MARK: Whole tensors

    /// Whether both have the same shape and equal elements; false when one is undefined.
    public func isSame(as other: Tensor) -> Bool {
        var same = false
        done("is same", [self, other], apus_is_same(pointer, other.pointer, &same))
        return same
    }

    /// Whether all elements differ by at most `absolute + relative * |other|`, broadcast; NaN is
    /// close to nothing. Both need the same dtype.
    public func isClose(
        to other: Tensor, relative: Double = 1e-5, absolute: Double = 1e-8
    ) -> Bool {
        var close = false
        let status = apus_is_close(pointer, other.pointer, relative, absolute, &close)
        done("is close", [self, other], status)
        return close
    }
}
