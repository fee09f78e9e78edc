internal import ApusBase
internal import CApusTorch

/// Reductions over the given dimensions; over all when none is given. Reduced dimensions disappear,
/// or have size 1 with `keepDims`.
extension Tensor {
    /// Integers and bool add up to int64.
    public func sum(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_SUM, dims, keepDims, "sum")
    }
    /// Of floating-point elements.
    public func mean(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_MEAN, dims, keepDims, "mean")
    }
    /// The product of a dimension's elements; of all without one.
    public func product(_ dim: Int? = nil, keepDims: Bool = false) -> Tensor {
        reduce(APUS_PROD, dim.map { [$0] } ?? [], keepDims, "prod")
    }
    public func max(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_AMAX, dims, keepDims, "max")
    }
    public func min(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_AMIN, dims, keepDims, "min")
    }
    /// `log(sum(exp(x)))` without overflow.
    public func logSumExp(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_LOGSUMEXP, dims, keepDims, "logsumexp")
    }
    /// Whether no element is zero: bool.
    public func all(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_ALL, dims, keepDims, "all")
    }
    /// Whether some element is not zero: bool.
    public func any(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_ANY, dims, keepDims, "any")
    }
    /// How many elements are not zero: int64.
    public func countNonzero(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_COUNT_NONZERO, dims, keepDims, "count_nonzero")
    }

    /// The index (int64) of the largest element of a dimension; of the flattened tensor without
    /// one.
    public func argmax(_ dim: Int? = nil, keepDims: Bool = false) -> Tensor {
        reduce(APUS_ARGMAX, dim.map { [$0] } ?? [], keepDims, "argmax")
    }
    /// The index (int64) of the smallest element of a dimension; of the flattened tensor without
    /// one.
    public func argmin(_ dim: Int? = nil, keepDims: Bool = false) -> Tensor {
        reduce(APUS_ARGMIN, dim.map { [$0] } ?? [], keepDims, "argmin")
    }

    private func reduce(
        _ kind: apus_reduction_kind, _ dims: [Int], _ keepDims: Bool, _ name: StaticString
    ) -> Tensor {
        made(name, [self]) { out in
            dims.withSizes { apus_reduce(kind, pointer, $0, $1, keepDims, out) }
        }
    }

    /// The p-norm, Euclidean unless told otherwise; `.infinity` gives the largest absolute value.
    public func norm(_ dims: Int..., keepDims: Bool = false, p: Double = 2) -> Tensor {
        made("norm", [self]) { out in
            dims.withSizes { apus_norm(pointer, p, $0, $1, keepDims, out) }
        }
    }

    /// The sum of squared deviations from the mean over `count - correction`: unbiased with 1.
    public func variance(
        _ dims: Int..., keepDims: Bool = false, correction: Double = 1
    ) -> Tensor {
        made("variance", [self]) { out in
            dims.withSizes { apus_variance(pointer, correction, false, $0, $1, keepDims, out) }
        }
    }

    /// The root of ``variance(_:keepDims:correction:)``.
    public func standardDeviation(
        _ dims: Int..., keepDims: Bool = false, correction: Double = 1
    ) -> Tensor {
        made("standard deviation", [self]) { out in
            dims.withSizes { apus_variance(pointer, correction, true, $0, $1, keepDims, out) }
        }
    }

    /// The values below which the given fractions (0 to 1) of a dimension's elements lie,
    /// interpolated linearly. The fractions are the result's first dimension.
    public func quantile(_ fractions: [Double], dim: Int, keepDims: Bool = false) -> Tensor {
        let fractions = fractions.withUnsafeBytes {
            Tensor(copying: $0, shape: [fractions.count], dtype: .float64)
        }.to(dtype, device: device)
        return made("quantile", [self]) {
            apus_quantile(pointer, fractions.pointer, Int64(dim), keepDims, $0)
        }
    }

    // MARK: Running along a dimension

    public func cumulativeSum(_ dim: Int) -> Tensor {
        cumulative(APUS_CUMULATIVE_SUM, dim, "cumsum")
    }
    public func cumulativeProduct(_ dim: Int) -> Tensor {
        cumulative(APUS_CUMULATIVE_PRODUCT, dim, "cumprod")
    }
    /// `log(cumulativeSum(exp(x)))` without overflow.
    public func logCumulativeSumExp(_ dim: Int) -> Tensor {
        cumulative(APUS_LOG_CUMULATIVE_SUM_EXP, dim, "logcumsumexp")
    }

    private func cumulative(
        _ kind: apus_cumulative_kind, _ dim: Int, _ name: StaticString
    ) -> Tensor {
        made(name, [self]) { apus_cumulative(kind, pointer, Int64(dim), $0) }
    }
}
