internal import ApusBase
internal import ApusTensor

/// Which keys each query of a forward pass sees.
///
/// The plain causal case needs no mask tensor; packing, padding and sliding windows do.
struct AttentionMask {
    /// bool `[batch or 1, 1, length, key length]`, true takes part; nil: causal without more.
    let mask: Tensor?

    /// - positions of queries within the whole sequence: `[batch or 1, length]`
    /// - documents: `[batch, length]`, equal numbers see each other; nil: one document a row
    /// - window: how many keys back a query sees, itself included; nil: all
    init(_ context: SequenceContext, length: Int, window: Int?, device: Device) {
        let past = context.cache?.length ?? 0
        let keyLength = past + length
        let isWindowed = window.map { $0 < keyLength } ?? false
        let needsMask =
            context.documents != nil || isWindowed || context.keyIsValid != nil || past > 0
        // One new token sees all that is cached.
        if !needsMask || (length == 1 && !isWindowed && context.keyIsValid == nil) {
            mask = nil
            return
        }
        let keys = Tensor.arange(0, Double(keyLength), dtype: .int64, device: device)
        let queries = keys.slice(0, past..<keyLength).unsqueeze(-1)
        var visible = keys.unsqueeze(0).isLessOrEqual(to: queries)
        if let window, isWindowed {
            let near = keys.unsqueeze(0).isGreater(than: queries - Double(window))
            visible = visible * near
        }
        visible = visible.unsqueeze(0).unsqueeze(0)
        if let documents = context.documents {
            let same = documents.unsqueeze(-1).isEqual(to: documents.unsqueeze(-2))
            visible = visible * same.unsqueeze(1)
        }
        if let valid = context.keyIsValid {
            visible = visible * valid.unsqueeze(1).unsqueeze(1)
        }
        mask = visible
    }

    /// The mask as a tensor `[batch or 1, 1, length, keyLength]`; nil where everything is seen.
    func explicit(length: Int, keyLength: Int, device: Device) -> Tensor? {
        if mask != nil || length == 1 { return mask }
        let keys = Tensor.arange(0, Double(keyLength), dtype: .int64, device: device)
        let queries = keys.slice(0, keyLength - length..<keyLength).unsqueeze(-1)
        let visible = keys.unsqueeze(0).isLessOrEqual(to: queries)
        return visible.unsqueeze(0).unsqueeze(0)
    }

    func options(length: Int, isGrouped: Bool) -> Tensor.AttentionOptions {
        var options = Tensor.AttentionOptions()
        options.mask = mask
        options.isCausal = mask == nil && length > 1
        options.isGrouped = isGrouped
        return options
    }
}
