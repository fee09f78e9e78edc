internal import CApusTorch

/// Reading and writing by index tensors (int64, int32 where libtorch allows). An index outside of
/// its dimension fails on the CPU; on a GPU it stops the device.
extension Tensor {
    /// `result[i][j] = self[i][index[i][j]]` for `dim` 1, and so on: shapes as libtorch's `gather`.
    public func gather(_ dim: Int, index: Tensor) -> Tensor {
        made("gather", [self, index]) { apus_gather(pointer, Int64(dim), index.pointer, $0) }
    }

    /// ``gather(_:index:)`` with the other dimensions broadcast.
    public func takeAlong(_ dim: Int, index: Tensor) -> Tensor {
        made("take_along_dim", [self, index]) {
            apus_take_along(pointer, Int64(dim), index.pointer, $0)
        }
    }

    /// A copy with `source`'s elements written at `index` along a dimension.
    public func scatter(_ dim: Int, index: Tensor, source: Tensor) -> Tensor {
        made("scatter", [self, index, source]) {
            apus_scatter(pointer, Int64(dim), index.pointer, source.pointer, false, $0)
        }
    }

    /// The same with elements added instead of replaced.
    public func scatterAdd(_ dim: Int, index: Tensor, source: Tensor) -> Tensor {
        made("scatter_add", [self, index, source]) {
            apus_scatter(pointer, Int64(dim), index.pointer, source.pointer, true, $0)
        }
    }

    /// Entries of a dimension in the order of a vector of indices.
    public func indexSelect(_ dim: Int, _ index: Tensor) -> Tensor {
        made("index_select", [self, index]) {
            apus_index_select(pointer, Int64(dim), index.pointer, $0)
        }
    }

    /// A copy with entry i of `source` (times `alpha`) added to entry `index[i]` of a dimension.
    public func indexAdd(_ dim: Int, _ index: Tensor, source: Tensor, alpha: Double = 1) -> Tensor {
        made("index_add", [self, index, source]) {
            apus_index_add(pointer, Int64(dim), index.pointer, source.pointer, alpha, $0)
        }
    }

    /// A copy with entry i of `source` in the place of entry `index[i]` of a dimension.
    public func indexCopy(_ dim: Int, _ index: Tensor, source: Tensor) -> Tensor {
        made("index_copy", [self, index, source]) {
            apus_index_copy(pointer, Int64(dim), index.pointer, source.pointer, $0)
        }
    }

    // MARK: Several index tensors

    /// `result[p] = self[indices[0][p], indices[1][p], ...]`: one tensor of integers for each
    /// leading dimension, broadcast against each other; nil takes the whole dimension; a bool
    /// tensor takes where it is true, over as many dimensions as it has.
    public func indexed(by indices: [Tensor?]) -> Tensor {
        made("index", [self] + indices.compactMap(\.self)) { out in
            indices.withPointers { apus_index(pointer, $0, $1, out) }
        }
    }

    /// A copy with `source` (broadcast) written, or added, where ``indexed(by:)`` would read.
    public func replacing(
        at indices: [Tensor?], with source: Tensor, accumulating: Bool = false
    ) -> Tensor {
        made("index_put", [self, source] + indices.compactMap(\.self)) { out in
            indices.withPointers {
                apus_index_put(pointer, $0, $1, source.pointer, accumulating, out)
            }
        }
    }

    /// ``replacing(at:with:accumulating:)`` in place.
    public func replaceInPlace(
        at indices: [Tensor?], with source: Tensor, accumulating: Bool = false
    ) {
        let status = indices.withPointers {
            apus_index_put_in_place(pointer, $0, $1, source.pointer, accumulating)
        }
        done("index_put", [self, source] + indices.compactMap(\.self), status)
    }

    // MARK: Masks

    /// The elements where `mask` (bool, broadcast) is true, row-major, as a vector.
    public func maskedSelect(_ mask: Tensor) -> Tensor {
        made("masked_select", [self, mask]) { apus_masked_select(pointer, mask.pointer, $0) }
    }

    /// The indices of the elements that are not zero: `[count, rank]`, int64, row-major order.
    public func nonzero() -> Tensor { made("nonzero", [self]) { apus_nonzero(pointer, $0) } }

    // MARK: Classes

    /// int64 `shape + [classes]` with a one at each of these class numbers (int64).
    public func oneHot(_ classes: Int) -> Tensor {
        made("one_hot", [self]) { apus_one_hot(pointer, Int64(classes), $0) }
    }

    /// Rows of this `[count, width]` table -> `indices.shape + [width]`.
    public func embedding(_ indices: Tensor) -> Tensor {
        made("embedding", [self, indices]) { apus_embedding(pointer, indices.pointer, $0) }
    }
}
