internal import CApusTorch

/// One call for many tensors, in place: on a GPU few kernels instead of one for each tensor.
extension [Tensor] {
    /// `self[i] += alpha * other[i]`.
    public func addInPlace(_ other: [Tensor], alpha: Double = 1) {
        each(APUS_EACH_ADD, other, alpha, "add lists")
    }

    /// `self[i] *= other[i]`.
    public func multiplyInPlace(_ other: [Tensor]) {
        each(APUS_EACH_MULTIPLY, other, 1, "multiply lists")
    }

    /// `self[i] /= other[i]`.
    public func divideInPlace(_ other: [Tensor]) {
        each(APUS_EACH_DIVIDE, other, 1, "divide lists")
    }

    /// `self[i] += weight * (end[i] - self[i])`.
    public func interpolateInPlace(to end: [Tensor], weight: Double) {
        each(APUS_EACH_LERP, end, weight, "interpolate lists")
    }

    /// Overwrites the elements with those of `source` (converted, from any device).
    public func copyInPlace(from source: [Tensor]) { each(APUS_EACH_COPY, source, 1, "copy lists") }

    /// `self[i] *= value`.
    public func multiplyInPlace(_ value: Double) { each(APUS_EACH_SCALE, value, "multiply list") }

    /// `self[i] += value`.
    public func addInPlace(_ value: Double) { each(APUS_EACH_OFFSET, value, "add to list") }

    /// Overwrites all elements with zero.
    public func zeroInPlace() { each(APUS_EACH_ZERO, 0, "zero list") }

    /// The Euclidean norm of each, as scalars of the tensors' dtypes.
    public func norms() -> [Tensor] {
        made("norms", count, self) { out in
            withPointers { apus_each_norm($0, $1, out) }
        }
    }

    private func each(
        _ kind: apus_each_kind, _ other: [Tensor], _ scalar: Double, _ name: StaticString
    ) {
        precondition(count == other.count, "\(name): \(count) and \(other.count) tensors")
        let status = withPointers { mine, count in
            other.withPointers { theirs, _ in apus_each(kind, mine, theirs, count, scalar) }
        }
        done(name, self + other, status)
    }

    private func each(_ kind: apus_each_scalar_kind, _ scalar: Double, _ name: StaticString) {
        let status = withPointers { apus_each_scalar(kind, $0, $1, scalar) }
        done(name, self, status)
    }
}
