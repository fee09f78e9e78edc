internal import ApusBase
internal import ApusTensor

/// Attention of one layer, from projected queries, keys and values on.
struct AttentionHeads {
    let layer: Int
    let headCount: Int
    /// Fewer than heads: groups of heads share keys and values (Ainslie et al.: "GQA", 2023).
    let keyValueHeadCount: Int
    let width: Int
    /// What scores are multiplied by; nil: 1 / sqrt(width).
    var scale: Double?
    /// Scores are bent into this range on both sides (Gemma 2).
    var softCap: Double?

    /// `[batch, length, count * width]` -> `[batch, count, length, width]`, each head normalised.
    func split(_ x: Tensor, _ count: Int, _ norm: ((Tensor) -> Tensor)? = nil) -> Tensor {
        let heads = x.reshape(x.size(0), x.size(1), count, width)
        return (norm?(heads) ?? heads).transpose(1, 2)
    }

    /// Queries, keys and values by heads -> `[batch, length, headCount * width]`.
    func attend(_ queries: Tensor, _ keys: Tensor, _ values: Tensor, _ pass: LayerPass) -> Tensor {
        var (keys, values) = (keys, values)
        if let cache = pass.cache {
            (keys, values) = cache.append(layer: layer, key: keys, value: values)
        }
        let mixed =
            if let softCap {
                capped(queries, keys, values, pass.mask, softCap)
            } else {
                plain(queries, keys, values, pass.mask)
            }
        let (batch, length) = (queries.size(0), queries.size(2))
        return mixed.transpose(1, 2).reshape(batch, length, headCount * width)
    }

    private func plain(
        _ queries: Tensor, _ keys: Tensor, _ values: Tensor, _ mask: AttentionMask
    ) -> Tensor {
        let isGrouped = headCount != keyValueHeadCount
        var options = mask.options(length: queries.size(2), isGrouped: isGrouped)
        options.scale = scale
        return queries.attention(key: keys, value: values, options: options)
    }

    /// No fused kernel bends scores, so these are computed one by one, in fp32.
    private func capped(
        _ queries: Tensor, _ keys: Tensor, _ values: Tensor, _ mask: AttentionMask, _ cap: Double
    ) -> Tensor {
        let groups = headCount / keyValueHeadCount
        let allKeys = keys.repeatInterleave(groups, dim: 1)
        let allValues = values.repeatInterleave(groups, dim: 1)
        let factor = scale ?? 1 / Double(width).squareRoot()
        let scores = (queries.matmul(allKeys.transposed) * factor).to(.float32)
        var bent = (scores / cap).tanh() * cap
        let (length, keyLength) = (queries.size(2), keys.size(2))
        if let visible = mask.explicit(length: length, keyLength: keyLength, device: queries.device)
        {
            // Not minus infinity, which would make NaN of rows that see nothing.
            bent = Tensor.select(visible, bent, .scalar(-1e30, device: queries.device))
        }
        return bent.softmax().to(queries.dtype).matmul(allValues)
    }
}
