internal import CApusTorch

/// How a loss brings its elements (or rows) together.
extension Tensor {
    public enum LossReduction: Sendable, Hashable {
        case none, mean, sum

        fileprivate var kind: apus_loss_reduction {
            switch self {
            case .none: APUS_REDUCE_NONE
            case .mean: APUS_REDUCE_MEAN
            case .sum: APUS_REDUCE_SUM
            }
        }
    }
}

/// Losses of this prediction against a target.
extension Tensor {
    /// Cross-entropy of logits `[rows, classes]` against `targets` `[rows]` (int64); rows whose
    /// target is `ignoreIndex` count nothing. `classWeights` `[classes]` weigh the rows by their
    /// target.
    public func crossEntropy(
        _ targets: Tensor, reduction: LossReduction = .mean, ignoreIndex: Int = -100,
        labelSmoothing: Double = 0, classWeights: Tensor? = nil
    ) -> Tensor {
        made("cross_entropy", [self, targets]) {
            apus_cross_entropy(
                pointer, targets.pointer, classWeights?.pointer, reduction.kind,
                Int64(ignoreIndex), labelSmoothing, $0)
        }
    }

    /// The same for log-probabilities instead of logits.
    public func negativeLogLikelihood(
        _ targets: Tensor, reduction: LossReduction = .mean, ignoreIndex: Int = -100,
        classWeights: Tensor? = nil
    ) -> Tensor {
        made("nll_loss", [self, targets]) {
            apus_nll(
                pointer, targets.pointer, classWeights?.pointer, reduction.kind,
                Int64(ignoreIndex), $0)
        }
    }

    /// `(x - target)²`.
    public func squaredError(_ target: Tensor, reduction: LossReduction = .mean) -> Tensor {
        loss(APUS_LOSS_SQUARED, target, reduction, "mse_loss")
    }

    /// `|x - target|`.
    public func absoluteError(_ target: Tensor, reduction: LossReduction = .mean) -> Tensor {
        loss(APUS_LOSS_ABSOLUTE, target, reduction, "l1_loss")
    }

    /// The absolute error with a square of width `beta` at its foot, divided by beta there.
    public func smoothAbsoluteError(
        _ target: Tensor, beta: Double = 1, reduction: LossReduction = .mean
    ) -> Tensor {
        loss(APUS_LOSS_SMOOTH_ABSOLUTE, target, reduction, "smooth_l1_loss", parameter: beta)
    }

    /// Half the squared error up to `delta`, linear with slope delta beyond.
    ///
    /// Source: Huber: "Robust Estimation of a Location Parameter" (1964).
    public func huberError(
        _ target: Tensor, delta: Double = 1, reduction: LossReduction = .mean
    ) -> Tensor {
        loss(APUS_LOSS_HUBER, target, reduction, "huber_loss", parameter: delta)
    }

    /// Of probabilities against targets in [0, 1]; `weight` (broadcast) weighs the elements.
    public func binaryCrossEntropy(
        _ target: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean
    ) -> Tensor {
        loss(APUS_LOSS_BINARY, target, reduction, "binary_cross_entropy", weight: weight)
    }

    /// Of logits against targets in [0, 1]; `positiveWeight` (broadcast) weighs the positive class.
    public func binaryCrossEntropyOfLogits(
        _ target: Tensor, positiveWeight: Tensor? = nil, reduction: LossReduction = .mean
    ) -> Tensor {
        loss(
            APUS_LOSS_BINARY_LOGITS, target, reduction, "binary_cross_entropy_with_logits",
            weight: positiveWeight)
    }

    /// `target * (log(target) - x)` of these log-probabilities; `targetIsLogarithm`: the target,
    /// too, holds log-probabilities. The divergence of a batch is the sum over its size.
    public func klDivergence(
        from target: Tensor, targetIsLogarithm: Bool = false, reduction: LossReduction = .sum
    ) -> Tensor {
        let kind = targetIsLogarithm ? APUS_LOSS_KL_LOG_TARGET : APUS_LOSS_KL
        return loss(kind, target, reduction, "kl_div")
    }

    /// The cosine of the angle between vectors along a dimension, which disappears.
    public func cosineSimilarity(
        _ other: Tensor, dim: Int = -1, epsilon: Double = 1e-8
    ) -> Tensor {
        made("cosine_similarity", [self, other]) {
            apus_cosine_similarity(pointer, other.pointer, Int64(dim), epsilon, $0)
        }
    }

    private func loss(
        _ kind: apus_loss_kind, _ target: Tensor, _ reduction: LossReduction,
        _ name: StaticString, weight: Tensor? = nil, parameter: Double = 0
    ) -> Tensor {
        made(name, [self, target]) {
            apus_loss(
                kind, pointer, target.pointer, weight?.pointer, parameter, reduction.kind, $0)
        }
    }
}
