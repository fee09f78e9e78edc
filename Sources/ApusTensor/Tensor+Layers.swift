internal import CApusTorch

/// What layers and losses are made of.
extension Tensor {
    /// Normalises the last `shape.count` dimensions to mean 0 and variance 1, then scales and shifts.
    public func layerNorm(
        _ shape: [Int], weight: Tensor? = nil, bias: Tensor? = nil, epsilon: Double = 1e-5
    ) -> Tensor {
        made("layer_norm", [self]) { out in
            shape.withSizes {
                apus_layer_norm(pointer, $0, $1, weight?.pointer, bias?.pointer, epsilon, out)
            }
        }
    }

    /// Divides the last dimension by its root mean square (in fp32), then scales by `weight`.
    ///
    /// Source: Zhang, Sennrich: "Root Mean Square Layer Normalization" (2019), equation 4.
    public func rmsNorm(weight: Tensor, epsilon: Double = 1e-6) -> Tensor {
        made("rms_norm", [self, weight]) { apus_rms_norm(pointer, weight.pointer, epsilon, $0) }
    }

    /// How ``attention(key:value:options:)`` weighs its keys.
    public struct AttentionOptions {
        /// Broadcasts to `[batch, heads, length, keyLength]`; bool (true takes part) or added to scores.
        public var mask: Tensor?
        /// Query i sees keys up to i. Not together with a mask.
        public var isCausal = false
        /// What scores are multiplied by; nil is 1 / sqrt(width).
        public var scale: Double?
        /// Probability of dropping a weight.
        public var dropout = 0.0
        /// Fewer key heads than query heads: each serves `heads / keyHeads` of them.
        public var isGrouped = false

        public init() {}
    }

    /// Scaled dot-product attention of this query `[batch, heads, length, width]` over `key` and `value`
    /// `[batch, keyHeads, keyLength, width]`.
    ///
    /// Source: Vaswani et al.: "Attention Is All You Need" (2017), 3.2.1.
    public func attention(
        key: Tensor, value: Tensor, options: AttentionOptions = AttentionOptions()
    ) -> Tensor {
        made("attention", [self, key, value]) {
            apus_attention(
                pointer, key.pointer, value.pointer, options.mask?.pointer, options.dropout,
                options.isCausal, options.scale ?? .nan, options.isGrouped, $0)
        }
    }

    public enum LossReduction: Sendable {
        case none, mean, sum
    }

    /// Cross-entropy of logits `[rows, classes]` against `targets` `[rows]` (int64); rows whose target is
    /// `ignoreIndex` count nothing.
    public func crossEntropy(
        _ targets: Tensor, reduction: LossReduction = .mean, ignoreIndex: Int = -100,
        labelSmoothing: Double = 0
    ) -> Tensor {
        let kind: apus_loss_reduction
        switch reduction {
        case .none: kind = APUS_REDUCE_NONE
        case .mean: kind = APUS_REDUCE_MEAN
        case .sum: kind = APUS_REDUCE_SUM
        }
        return made("cross_entropy", [self, targets]) {
            apus_cross_entropy(
                pointer, targets.pointer, kind, Int64(ignoreIndex), labelSmoothing, $0)
        }
    }

    /// Zeroes elements with the given probability and scales the others up; the identity in evaluation.
    public func dropout(_ probability: Double, isTraining: Bool) -> Tensor {
        made("dropout", [self]) { apus_dropout(pointer, probability, isTraining, $0) }
    }
}
