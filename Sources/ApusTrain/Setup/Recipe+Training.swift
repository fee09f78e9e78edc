internal import ApusBase
public import ApusConfig
public import ApusData
public import ApusNN
public import ApusOptim
internal import ApusShard
internal import ApusTensor
public import ApusZeRO

/// From the words of a recipe to the values that the parts of a run take.
extension Recipe {
    public var precision: PrecisionPolicy {
        var policy = PrecisionPolicy(compute: computeType, reduction: model.reductionDType.dtype)
        if model.fp16 { policy.lossScale = model.lossScaling.policy }
        return policy
    }

    /// What the model computes with, and what its weights are saved as.
    var computeType: DType {
        model.usesBFloat16 ? .bfloat16 : model.fp16 ? .float16 : .float32
    }

    public var engineOptions: EngineOptions {
        var options = EngineOptions()
        options.sharding = sharding.policy
        options.precision = precision
        options.rule = optimizer.rule
        options.weightDecay = optimizer.weightDecay
        options.maximumGradientNorm = optimizer.maxGradNorm > 0 ? optimizer.maxGradNorm : nil
        return options
    }

    public var lossOptions: LossOptions {
        var options = LossOptions()
        options.labelSmoothing = loss.labelSmoothing
        options.zLossWeight = loss.zLossWeight
        return options
    }

    /// Optimizer steps of the run.
    public func totalSteps(perEpoch: Int) -> Int {
        if let steps = batch.maxSteps { return steps }
        return max(1, Int((batch.numEpochs * Double(perEpoch)).rounded(.up)))
    }

    public func learningRateSchedule(totalSteps: Int) -> LearningRateSchedule {
        let ratio = schedule.warmupRatio.map {
            LearningRateSchedule.warmupSteps(ratio: $0, totalSteps: totalSteps)
        }
        // A warm-up may be longer than the run: then that ends on the way up.
        let warmup = schedule.warmupSteps ?? ratio ?? 0
        let shape = shape(totalSteps: totalSteps, warmup: min(warmup, totalSteps))
        var result = LearningRateSchedule(
            shape, peak: optimizer.learningRate,
            warmupSteps: warmup, totalSteps: totalSteps)
        result.warmupCurve = schedule.warmupCurve == .log ? .logarithmic : .linear
        return result
    }

    public func batchOptions(paddingID: Int32) -> BatchOptions {
        var options = packingOptions
        options.microBatchSize = batch.microBatchSize
        options.accumulationSteps = batch.gradientAccumulationSteps
        options.paddingID = paddingID
        return options
    }

    public func evaluationOptions(paddingID: Int32) -> BatchOptions {
        var options = batchOptions(paddingID: paddingID)
        options.microBatchSize = evaluationBatchSize
        options.accumulationSteps = 1
        options.shuffles = false
        return options
    }

    private var evaluationBatchSize: Int { batch.evalBatchSize ?? batch.microBatchSize }

    private func shape(totalSteps: Int, warmup: Int) -> LearningRateSchedule.Shape {
        switch schedule.name {
        case .constant, .constantWithWarmup: return .constant
        case .linear: return .linear
        case .cosine: return .cosine(minimumRatio: schedule.cosineMinLRRatio ?? 0)
        case .warmupStableDecay:
            let decay = schedule.arguments.numDecaySteps ?? max(1, totalSteps / 10)
            return .warmupStableDecay(
                decaySteps: min(decay, totalSteps - warmup),
                minimumRatio: schedule.arguments.minLRRatio)
        }
    }

    /// Optimizer steps between evaluations; nil: only before and after.
    public func evaluationInterval(stepsPerEpoch: Int) -> Int? {
        if let steps = evaluation.evalSteps { return steps }
        return evaluation.evalsPerEpoch.map { max(1, stepsPerEpoch / $0) }
    }
}

extension ShardingSettings {
    var policy: ShardingPolicy {
        var policy = ShardingPolicy(strategy)
        policy.groupSize = groupSize
        policy.prefetchBytes = gatherPrefetchBytes
        policy.keepsGatheredInWindow = keepsGatheredAcrossMicroBatches
        return policy
    }

    private var strategy: ShardingStrategy {
        switch stage {
        case .replicated: .none
        case .optimizer: .optimizerState
        case .gradients: .gradients
        case .parameters: .parameters
        }
    }
}

extension ReductionDType {
    var dtype: DType {
        switch self {
        case .fp32: .float32
        case .bf16: .bfloat16
        case .fp16: .float16
        }
    }
}

extension LossScaling {
    var policy: LossScalePolicy {
        guard fixedScale == 0 else { return .fixed(fixedScale) }
        var policy = LossScalePolicy()
        policy.initial = Double(sign: .plus, exponent: initialScalePower, significand: 1)
        policy.window = window
        policy.hysteresis = hysteresis
        policy.minimum = minimumScale
        policy.forgetsOverflows = hysteresisIsConsecutive
        return policy
    }
}

extension OptimizerSettings {
    var rule: any UpdateRule {
        switch name.algorithm {
        case .adamw: AdamW(beta1: adamBeta1, beta2: adamBeta2, epsilon: adamEpsilon)
        case .sgd: SGD()
        case .lion: Lion(beta1: adamBeta1, beta2: adamBeta2)
        case .adafactor: Adafactor()
        case .muon:
            Muon(others: AdamW(beta1: adamBeta1, beta2: adamBeta2, epsilon: adamEpsilon))
        }
    }
}
