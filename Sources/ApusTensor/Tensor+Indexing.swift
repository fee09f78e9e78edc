internal import CApusTorch

/// Reading and writing by index tensors (int64, int32 where libtorch allows).
extension Tensor {
    /// `result[i][j] = self[i][index[i][j]]` for `dim` 1, and so on: shapes as libtorch's `gather`.
    public func gather(_ dim: Int, index: Tensor) -> Tensor {
        made("gather", [self, index]) { apus_gather(pointer, Int64(dim), index.pointer, $0) }
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

    /// Rows of this `[count, width]` table -> `indices.shape + [width]`.
    public func embedding(_ indices: Tensor) -> Tensor {
        made("embedding", [self, indices]) { apus_embedding(pointer, indices.pointer, $0) }
    }
}
