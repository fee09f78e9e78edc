internal import CApusTorch

/// Elements in order, and where they were.
extension Tensor {
    /// Elements and their places (int64) in a dimension.
    public typealias Located = (values: Tensor, indices: Tensor)

    /// The largest element along a dimension, which disappears, and its place.
    public func maxWithIndices(_ dim: Int) -> Located { locate(APUS_LOCATE_MAX, dim, "max") }

    /// The smallest element along a dimension, which disappears, and its place.
    public func minWithIndices(_ dim: Int) -> Located { locate(APUS_LOCATE_MIN, dim, "min") }

    /// The middle element along a dimension, which disappears (of two the smaller), and its place.
    public func median(_ dim: Int) -> Located { locate(APUS_LOCATE_MEDIAN, dim, "median") }

    /// The largest element so far along a dimension, and its place.
    public func cumulativeMax(_ dim: Int) -> Located {
        locate(APUS_LOCATE_CUMULATIVE_MAX, dim, "cummax")
    }

    /// The smallest element so far along a dimension, and its place.
    public func cumulativeMin(_ dim: Int) -> Located {
        locate(APUS_LOCATE_CUMULATIVE_MIN, dim, "cummin")
    }

    /// The `k` largest (or smallest) elements of a dimension in order, and their places.
    public func topK(_ k: Int, dim: Int = -1, largest: Bool = true) -> Located {
        located("topk") { apus_top_k(pointer, Int64(k), Int64(dim), largest, $0, $1) }
    }

    /// A stable sort of a dimension, and where each element came from.
    public func sorted(dim: Int = -1, descending: Bool = false) -> Located {
        located("sort") { apus_sort(pointer, Int64(dim), descending, $0, $1) }
    }

    /// The distinct elements in ascending order; for each element its index among them (int64, this
    /// shape); how often each occurs (int64).
    public func unique() -> (values: Tensor, inverse: Tensor, counts: Tensor) {
        let parts = made("unique", 3, [self]) { apus_unique(pointer, $0, $0 + 1, $0 + 2) }
        return (parts[0], parts[1], parts[2])
    }

    /// Where `values` would be inserted into this sorted last dimension: before equal elements, or
    /// after them. int64 of `values`' shape; this is a vector, or has the same leading dimensions.
    public func insertionPoints(of values: Tensor, afterEqual: Bool = false) -> Tensor {
        made("searchsorted", [self, values]) {
            apus_search_sorted(pointer, values.pointer, afterEqual, $0)
        }
    }

    /// How often each of 0, 1, ... occurs in this vector of integers, or the sum of the `weights`
    /// there; at least `minimumLength` entries.
    public func binCount(weights: Tensor? = nil, minimumLength: Int = 0) -> Tensor {
        made("bincount", [self]) {
            apus_bin_count(pointer, weights?.pointer, Int64(minimumLength), $0)
        }
    }

    private func locate(_ kind: apus_locate_kind, _ dim: Int, _ name: StaticString) -> Located {
        located(name) { apus_locate(kind, pointer, Int64(dim), $0, $1) }
    }

    private func located(_ name: StaticString, _ call: (Out, Out) -> apus_status) -> Located {
        let pair = made(name, 2, [self]) { call($0, $0 + 1) }
        return (pair[0], pair[1])
    }
}
