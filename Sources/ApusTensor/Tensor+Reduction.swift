internal import CApusTorch

/// Reductions over the given dimensions; over all when none is given.
extension Tensor {
    public func sum(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_SUM, dims, keepDims, "sum")
    }
    public func mean(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_MEAN, dims, keepDims, "mean")
    }
    public func max(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_AMAX, dims, keepDims, "max")
    }
    public func min(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_AMIN, dims, keepDims, "min")
    }
    /// The Euclidean norm.
    public func norm(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_NORM, dims, keepDims, "norm")
    }
    /// The unbiased variance.
    public func variance(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_VAR, dims, keepDims, "variance")
    }
    public func logSumExp(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_LOGSUMEXP, dims, keepDims, "logsumexp")
    }
    public func all(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_ALL, dims, keepDims, "all")
    }
    public func any(_ dims: Int..., keepDims: Bool = false) -> Tensor {
        reduce(APUS_ANY, dims, keepDims, "any")
    }

    /// The index (int64) of the largest element of a dimension; of the flattened tensor without one.
    public func argmax(_ dim: Int? = nil, keepDims: Bool = false) -> Tensor {
        reduce(APUS_ARGMAX, dim.map { [$0] } ?? [], keepDims, "argmax")
    }
    public func argmin(_ dim: Int? = nil, keepDims: Bool = false) -> Tensor {
        reduce(APUS_ARGMIN, dim.map { [$0] } ?? [], keepDims, "argmin")
    }

    func reduce(
        _ kind: apus_reduction_kind, _ dims: [Int], _ keepDims: Bool, _ name: StaticString
    ) -> Tensor {
        made(name, [self]) { out in
            dims.withSizes { apus_reduce(kind, pointer, $0, $1, keepDims, out) }
        }
    }

    public func cumulativeSum(_ dim: Int) -> Tensor {
        made("cumsum", [self]) { apus_cumulative_sum(pointer, Int64(dim), $0) }
    }

    public func softmax(_ dim: Int = -1) -> Tensor {
        made("softmax", [self]) { apus_softmax(pointer, Int64(dim), false, $0) }
    }

    public func logSoftmax(_ dim: Int = -1) -> Tensor {
        made("log_softmax", [self]) { apus_softmax(pointer, Int64(dim), true, $0) }
    }

    /// The `k` largest (or smallest) elements of a dimension in order, and their indices.
    public func topK(
        _ k: Int, dim: Int = -1, largest: Bool = true
    ) -> (values: Tensor, indices: Tensor) {
        pair("topk") { apus_top_k(pointer, Int64(k), Int64(dim), largest, $0, $1) }
    }

    /// A stable sort of a dimension, and where each element came from.
    public func sorted(dim: Int = -1, descending: Bool = false) -> (values: Tensor, indices: Tensor) {
        pair("sort") { apus_sort(pointer, Int64(dim), descending, $0, $1) }
    }

    private func pair(
        _ name: StaticString,
        _ call: (UnsafeMutablePointer<OpaquePointer?>, UnsafeMutablePointer<OpaquePointer?>) -> apus_status
    ) -> (values: Tensor, indices: Tensor) {
        var second: OpaquePointer?
        let first = made(name, [self]) { call($0, &second) }
        return (first, Tensor(owning: second ?? apus_tensor_undefined()))
    }
}
