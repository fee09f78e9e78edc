import ApusTensor

// The layers' and losses' part of the table.

private func attention(_ x: [Tensor], _ options: Tensor.AttentionOptions = .init()) -> [Tensor] {
    [x[0].attention(key: x[1], value: x[2], options: options)]
}

let layerOperations: [String: Operation] = [
    "layer_norm": { [$0[0].layerNorm([4], weight: $0[1], bias: $0[2])] },
    "rms_norm": { [$0[0].rmsNorm(weight: $0[1])] },
    "group_norm": { [$0[0].groupNorm(2, weight: $0[1], bias: $0[2])] },
    "instance_norm": { [$0[0].groupNorm(4)] },
    "batch_norm": {
        var options = Tensor.BatchNormOptions()
        (options.weight, options.bias) = ($0[1], $0[2])
        (options.runningMean, options.runningVariance) = ($0[3], $0[4])
        options.isTraining = false
        return [$0[0].batchNorm(options)]
    },
    "batch_norm_training": {
        var options = Tensor.BatchNormOptions()
        (options.runningMean, options.runningVariance) = ($0[1], $0[2])
        options.momentum = 0.25
        return [$0[0].batchNorm(options), $0[1], $0[2]]
    },
    "attention": { attention($0) },
    "attention_causal": {
        var options = Tensor.AttentionOptions()
        options.isCausal = true
        options.scale = 0.3
        return attention($0, options)
    },
    "attention_mask": {
        var options = Tensor.AttentionOptions()
        options.mask = $0[3]
        return attention($0, options)
    },
    "attention_grouped": {
        var options = Tensor.AttentionOptions()
        options.isGrouped = true
        return attention($0, options)
    },
]

private func convolution(
    _ x: [Tensor], isTransposed: Bool = false, _ adjust: (inout Tensor.ConvolutionOptions) -> Void
) -> [Tensor] {
    var options = Tensor.ConvolutionOptions()
    adjust(&options)
    let bias = x.count > 2 ? x[2] : nil
    guard isTransposed else {
        return [x[0].convolution(weight: x[1], bias: bias, options: options)]
    }
    return [x[0].transposedConvolution(weight: x[1], bias: bias, options: options)]
}

let spatialOperations: [String: Operation] = [
    "conv1d": {
        convolution($0) {
            $0.stride = [2]
            $0.padding = [1]
        }
    },
    "conv2d": {
        convolution($0) {
            $0.dilation = [2, 1]
            $0.groups = 2
        }
    },
    "conv3d": { [$0[0].convolution(weight: $0[1])] },
    "conv_transpose1d": {
        convolution($0, isTransposed: true) {
            $0.stride = [2]
            $0.outputPadding = [1]
        }
    },
    "conv_transpose2d": { convolution($0, isTransposed: true) { $0.padding = [1, 1] } },
    "max_pool1d": { [$0[0].maxPool([2])] },
    "max_pool2d": { [$0[0].maxPool([3, 2], stride: [1, 2], padding: [1, 0])] },
    "max_pool3d": { [$0[0].maxPool([2, 2, 2])] },
    "avg_pool1d": { [$0[0].averagePool([3], stride: [1], padding: [1])] },
    "avg_pool2d": { [$0[0].averagePool([2, 2])] },
    "avg_pool3d": { [$0[0].averagePool([2, 2, 2])] },
    "adaptive_max_pool1d": { [$0[0].adaptiveMaxPool(to: [4])] },
    "adaptive_max_pool2d": { [$0[0].adaptiveMaxPool(to: [2, 3])] },
    "adaptive_max_pool3d": { [$0[0].adaptiveMaxPool(to: [2, 1, 3])] },
    "adaptive_avg_pool1d": { [$0[0].adaptiveAveragePool(to: [4])] },
    "adaptive_avg_pool2d": { [$0[0].adaptiveAveragePool(to: [2, 3])] },
    "adaptive_avg_pool3d": { [$0[0].adaptiveAveragePool(to: [2, 1, 3])] },
    "nearest1d": { [$0[0].resample(to: [4], .nearest)] },
    "nearest2d": { [$0[0].resample(to: [2, 3], .nearest)] },
    "nearest3d": { [$0[0].resample(to: [2, 1, 3], .nearest)] },
    "linear1d": { [$0[0].resample(to: [4], .linear)] },
    "linear2d": { [$0[0].resample(to: [2, 3], .linear)] },
    "linear3d": { [$0[0].resample(to: [2, 1, 3], .linear)] },
    "linear2d_corners": { [$0[0].resample(to: [3, 6], .linear, alignsCorners: true)] },
    "cubic2d": { [$0[0].resample(to: [4, 3], .cubic)] },
]

let lossOperations: [String: Operation] = [
    "cross_entropy_none": { [$0[0].crossEntropy($0[1], reduction: .none)] },
    "cross_entropy_mean": { [$0[0].crossEntropy($0[1])] },
    "cross_entropy_sum": { [$0[0].crossEntropy($0[1], reduction: .sum)] },
    "cross_entropy_smooth": {
        [$0[0].crossEntropy($0[1], labelSmoothing: 0.1, classWeights: $0[2])]
    },
    "cross_entropy_ignore": { [$0[0].crossEntropy($0[1], ignoreIndex: 1)] },
    "nll": { [$0[0].negativeLogLikelihood($0[1], classWeights: $0[2])] },
    "squared": { [$0[0].squaredError($0[1])] },
    "absolute": { [$0[0].absoluteError($0[1], reduction: .none)] },
    "smooth_absolute": { [$0[0].smoothAbsoluteError($0[1], beta: 0.5)] },
    "huber": { [$0[0].huberError($0[1], delta: 0.5, reduction: .sum)] },
    "binary": { [$0[0].binaryCrossEntropy($0[1], weight: $0[2])] },
    "binary_logits": { [$0[0].binaryCrossEntropyOfLogits($0[1], positiveWeight: $0[2])] },
    "kl": { [$0[0].klDivergence(from: $0[1])] },
    "kl_log_target": {
        [$0[0].klDivergence(from: $0[1], targetIsLogarithm: true, reduction: .none)]
    },
    "cosine_similarity": { [$0[0].cosineSimilarity($0[1], dim: 0)] },
]
