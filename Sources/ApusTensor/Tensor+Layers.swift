internal import CApusTorch

/// What layers are made of: norms and attention.
extension Tensor {
    /// Normalises the last `shape.count` dimensions to mean 0 and variance 1, then scales and
    /// shifts; `weight` and `bias` have that shape.
    ///
    /// Source: Ba, Kiros, Hinton: "Layer Normalization" (2016).
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

    /// Of `[batch, channels, ...]`: normalises each group of neighbouring channels; `weight` and
    /// `bias` `[channels]`. As many groups as channels is instance normalisation.
    ///
    /// Source: Wu, He: "Group Normalization" (2018).
    public func groupNorm(
        _ groups: Int, weight: Tensor? = nil, bias: Tensor? = nil, epsilon: Double = 1e-5
    ) -> Tensor {
        made("group_norm", [self]) {
            apus_group_norm(pointer, Int64(groups), weight?.pointer, bias?.pointer, epsilon, $0)
        }
    }

    /// What ``batchNorm(_:)`` takes; every tensor is `[channels]`.
    public struct BatchNormOptions {
        public var weight: Tensor?
        public var bias: Tensor?
        /// Used in evaluation; in training moved towards the batch's, in place.
        public var runningMean: Tensor?
        public var runningVariance: Tensor?
        public var isTraining = true
        /// How far the running values move.
        public var momentum = 0.1
        public var epsilon = 1e-5

        public init() {}
    }

    /// Of `[batch, channels, ...]`: normalises each channel over the batch.
    ///
    /// Source: Ioffe, Szegedy: "Batch Normalization" (2015).
    public func batchNorm(_ options: BatchNormOptions) -> Tensor {
        let given = apus_batch_norm_options(
            weight: options.weight?.pointer, bias: options.bias?.pointer,
            running_mean: options.runningMean?.pointer,
            running_variance: options.runningVariance?.pointer, training: options.isTraining,
            momentum: options.momentum, epsilon: options.epsilon)
        return withExtendedLifetime(options) {
            made("batch_norm", [self]) { apus_batch_norm(pointer, given, $0) }
        }
    }

    /// How ``attention(key:value:options:)`` weighs its keys.
    public struct AttentionOptions {
        /// Broadcasts to `[batch, heads, length, keyLength]`; bool (true takes part) or added to
        /// scores.
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

    /// Scaled dot-product attention of this query `[batch, heads, length, width]` over `key` and
    /// `value` `[batch, keyHeads, keyLength, width]`.
    ///
    /// Source: Vaswani et al.: "Attention Is All You Need" (2017), 3.2.1.
    public func attention(
        key: Tensor, value: Tensor, options: AttentionOptions = AttentionOptions()
    ) -> Tensor {
        let given = apus_attention_options(
            mask: options.mask?.pointer, dropout: options.dropout, scale: options.scale ?? .nan,
            causal: options.isCausal, grouped: options.isGrouped)
        return withExtendedLifetime(options) {
            made("attention", [self, key, value] + (options.mask.map { [$0] } ?? [])) {
                apus_attention(pointer, key.pointer, value.pointer, given, $0)
            }
        }
    }
}
