internal import CApusTorch

/// Views and rearrangements. Views share memory; dimensions may be negative (from the end).
extension Tensor {
    /// The same elements under another shape; one size may be -1. A view where possible.
    public func reshape(_ shape: [Int]) -> Tensor {
        made("reshape", [self]) { out in shape.withSizes { apus_reshape(pointer, $0, $1, out) } }
    }

    /// The same elements under another shape; one size may be -1. A view where possible.
    public func reshape(_ shape: Int...) -> Tensor { reshape(shape) }

    /// Dimensions `first` to `last` (both included) as one. A view where possible.
    public func flatten(_ first: Int = 0, _ last: Int = -1) -> Tensor {
        made("flatten", [self]) { apus_flatten(pointer, Int64(first), Int64(last), $0) }
    }

    /// Dimension i of the result is dimension `dims[i]` of this tensor. A view.
    public func permute(_ dims: Int...) -> Tensor {
        made("permute", [self]) { out in dims.withSizes { apus_permute(pointer, $0, $1, out) } }
    }

    /// Two dimensions exchanged. A view.
    public func transpose(_ a: Int, _ b: Int) -> Tensor {
        made("transpose", [self]) { apus_transpose(pointer, Int64(a), Int64(b), $0) }
    }

    /// The last two dimensions exchanged. A view.
    public var transposed: Tensor { transpose(-1, -2) }

    /// One dimension at another place, the others in their order. A view.
    public func moveDim(_ from: Int, to: Int) -> Tensor {
        made("movedim", [self]) { apus_move_dim(pointer, Int64(from), Int64(to), $0) }
    }

    /// Without a dimension of size 1; other sizes are left alone. A view.
    public func squeeze(_ dim: Int) -> Tensor {
        made("squeeze", [self]) { apus_squeeze(pointer, Int64(dim), $0) }
    }

    /// With a new dimension of size 1. A view.
    public func unsqueeze(_ dim: Int) -> Tensor {
        made("unsqueeze", [self]) { apus_unsqueeze(pointer, Int64(dim), $0) }
    }

    /// Repeats dimensions of size 1 without copying; -1 keeps a size. A view.
    public func expand(_ shape: [Int]) -> Tensor {
        made("expand", [self]) { out in shape.withSizes { apus_expand(pointer, $0, $1, out) } }
    }

    // MARK: Parts

    /// One entry of a dimension, which disappears; a negative index counts from the end. A view.
    public func select(_ dim: Int, _ index: Int) -> Tensor {
        made("select", [self]) { apus_select(pointer, Int64(dim), Int64(index), $0) }
    }

    /// The entries of a range within one dimension, every `step`-th. A view.
    public func slice(_ dim: Int, _ range: Range<Int>, step: Int = 1) -> Tensor {
        made("slice", [self]) {
            let start = Int64(range.lowerBound)
            let end = Int64(range.upperBound)
            return apus_slice(pointer, Int64(dim), start, end, Int64(step), $0)
        }
    }

    /// `x[i]`: one entry of the first dimension. A view.
    public subscript(index: Int) -> Tensor { select(0, index) }

    /// `x[i..<j]`: a range of the first dimension. A view.
    public subscript(range: Range<Int>) -> Tensor { slice(0, range) }

    /// Pieces of the given sizes, which add up to the dimension's, as views.
    public func split(_ sizes: [Int], dim: Int = -1) -> [Tensor] {
        made("split", sizes.count, [self]) { out in
            sizes.withSizes { apus_split(pointer, $0, $1, Int64(dim), out) }
        }
    }

    /// At most `count` pieces of equal size (the last may be smaller), as views.
    public func chunk(_ count: Int, dim: Int = -1) -> [Tensor] {
        precondition(count > 0, "chunk: \(count) pieces")
        let total = size(dim)
        let each = (total + count - 1) / count
        guard each > 0 else { return [self] }
        let starts = stride(from: 0, to: total, by: each)
        return split(starts.map { Swift.min(each, total - $0) }, dim: dim)
    }

    /// Windows of `size` entries every `step` along a dimension, which becomes their count; the
    /// entries of a window are a new last dimension. A view.
    public func unfold(_ dim: Int, size: Int, step: Int) -> Tensor {
        made("unfold", [self]) {
            apus_unfold(pointer, Int64(dim), Int64(size), Int64(step), $0)
        }
    }

    /// The elements of two dimensions whose indices differ by `offset`, as a new last dimension. A
    /// view.
    public func diagonal(offset: Int = 0, _ a: Int = -2, _ b: Int = -1) -> Tensor {
        made("diagonal", [self]) {
            apus_diagonal(pointer, Int64(offset), Int64(a), Int64(b), $0)
        }
    }

    // MARK: Copies

    /// Tensors one after the other along a dimension; their other sizes are equal.
    public static func concatenate(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
        precondition(!tensors.isEmpty, "concatenate: no tensors")
        return made("cat", tensors) { out in
            tensors.withPointers { apus_cat($0, $1, Int64(dim), out) }
        }
    }

    /// Tensors of one shape as the entries of a new dimension.
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

    /// The given dimensions in reverse order.
    public func flip(_ dims: Int...) -> Tensor {
        made("flip", [self]) { out in dims.withSizes { apus_flip(pointer, $0, $1, out) } }
    }

    /// Entries of a dimension moved up by `shift`; those that fall off the end come first.
    public func roll(_ shift: Int, dim: Int) -> Tensor {
        made("roll", [self]) { apus_roll(pointer, Int64(shift), Int64(dim), $0) }
    }

    /// What stands beyond the edges of a padded tensor.
    public enum Padding: Sendable, Hashable {
        case constant(Double)
        /// Mirrored without repeating the edge.
        case reflect
        /// The edge, repeated.
        case replicate
        /// The other end.
        case circular
    }

    /// More entries before and after: `amounts[0]` for the last dimension, `amounts[1]` for the one
    /// before it, and so on. Other than constant padding wants one or two leading dimensions
    /// spared.
    public func pad(
        _ amounts: [(before: Int, after: Int)], _ padding: Padding = .constant(0)
    ) -> Tensor {
        let kind: apus_pad_kind
        var value = 0.0
        switch padding {
        case .constant(let constant):
            kind = APUS_PAD_CONSTANT
            value = constant
        case .reflect: kind = APUS_PAD_REFLECT
        case .replicate: kind = APUS_PAD_REPLICATE
        case .circular: kind = APUS_PAD_CIRCULAR
        }
        return made("pad", [self]) { out in
            amounts.flatMap { [$0.before, $0.after] }.withSizes {
                apus_pad(kind, pointer, $0, $1, value, out)
            }
        }
    }
}
