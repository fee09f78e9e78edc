internal import CApusTorch

/// Views and rearrangements. Views share memory; dimensions may be negative (from the end).
extension Tensor {
    /// The same elements under another shape; one size may be -1. A view where possible.
    public func reshape(_ shape: [Int]) -> Tensor {
        made("reshape", [self]) { out in shape.withSizes { apus_reshape(pointer, $0, $1, out) } }
    }

    public func reshape(_ shape: Int...) -> Tensor { reshape(shape) }

    /// Dimension i of the result is dimension `dims[i]` of this tensor.
    public func permute(_ dims: Int...) -> Tensor {
        made("permute", [self]) { out in dims.withSizes { apus_permute(pointer, $0, $1, out) } }
    }

    public func transpose(_ a: Int, _ b: Int) -> Tensor {
        made("transpose", [self]) { apus_transpose(pointer, Int64(a), Int64(b), $0) }
    }

    /// The last two dimensions exchanged.
    public var transposed: Tensor { transpose(-1, -2) }

    public func squeeze(_ dim: Int) -> Tensor {
        made("squeeze", [self]) { apus_squeeze(pointer, Int64(dim), $0) }
    }

    public func unsqueeze(_ dim: Int) -> Tensor {
        made("unsqueeze", [self]) { apus_unsqueeze(pointer, Int64(dim), $0) }
    }

    /// Repeats dimensions of size 1 without copying; -1 keeps a size.
    public func expand(_ shape: [Int]) -> Tensor {
        made("expand", [self]) { out in shape.withSizes { apus_expand(pointer, $0, $1, out) } }
    }

    /// One entry of a dimension, which disappears.
    public func select(_ dim: Int, _ index: Int) -> Tensor {
        made("select", [self]) { apus_select(pointer, Int64(dim), Int64(index), $0) }
    }

    /// The entries of a range of one dimension.
    public func slice(_ dim: Int, _ range: Range<Int>, step: Int = 1) -> Tensor {
        made("slice", [self]) {
            let start = Int64(range.lowerBound)
            let end = Int64(range.upperBound)
            return apus_slice(pointer, Int64(dim), start, end, Int64(step), $0)
        }
    }

    /// `x[i]`: one entry of the first dimension.
    public subscript(index: Int) -> Tensor { select(0, index) }

    /// `x[i..<j]`: a range of the first dimension.
    public subscript(range: Range<Int>) -> Tensor { slice(0, range) }

    /// Pieces of the given sizes along a dimension, as views.
    public func split(_ sizes: [Int], dim: Int = -1) -> [Tensor] {
        var start = 0
        return sizes.map { size in
            defer { start += size }
            return slice(dim, start..<start + size)
        }
    }

    public static func concatenate(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
        precondition(!tensors.isEmpty, "concatenate: no tensors")
        return made("cat", tensors) { out in
            tensors.withPointers { apus_cat($0, $1, Int64(dim), out) }
        }
    }

    public static func stack(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
        precondition(!tensors.isEmpty, "stack: no tensors")
        return made("stack", tensors) { out in
            tensors.withPointers { apus_stack($0, $1, Int64(dim), out) }
        }
    }

    /// The whole tensor, `repeats[i]` times along dimension i.
    public func tile(_ repeats: [Int]) -> Tensor {
        made("repeat", [self]) { out in repeats.withSizes { apus_repeat(pointer, $0, $1, out) } }
    }

    /// Every entry of a dimension `count` times in a row.
    public func repeatInterleave(_ count: Int, dim: Int) -> Tensor {
        made("repeat_interleave", [self]) {
            apus_repeat_interleave(pointer, Int64(count), Int64(dim), $0)
        }
    }
}

/// Storage games of the engine; autograd does not know of the sharing.
extension Tensor {
    /// A new leaf over `shape.product` elements of this tensor's storage, from element `offset` on.
    public func storageView(offset: Int, shape: [Int]) -> Tensor {
        made("storage view", [self]) { out in
            shape.withSizes { apus_storage_view(pointer, Int64(offset), $0, $1, out) }
        }
    }

    /// Makes this tensor point to `data`'s storage and shape, keeping its identity.
    public func setData(_ data: Tensor) {
        done("set data", [self, data], apus_set_data(pointer, data.pointer))
    }

    /// Frees (0) or restores the storage; all tensors that share it see the new memory, whose contents
    /// are unspecified.
    public func resizeStorage(byteCount: Int) {
        done("resize storage", [self], apus_storage_resize(pointer, Int64(byteCount)))
    }
}
