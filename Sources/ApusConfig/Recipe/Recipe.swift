/// Everything that a training run is told: the typed content of a recipe file.
///
/// The keys, their bounds and meanings are in `RecipeKeys`; `Docs/recipe.md` is the reference for
/// people. A recipe that came through `ResolvedRecipe.load` is complete: the optional properties
/// below whose comment says "filled in" have a value.
public struct Recipe: Sendable, Hashable {
    public var model = ModelSettings()
    public var adapter = AdapterSettings()
    public var sharding = ShardingSettings()
    public var data = DataSettings()
    public var batch = BatchSettings()
    public var loss = LossSettings()
    public var optimizer = OptimizerSettings()
    public var schedule = ScheduleSettings()
    public var evaluation = EvaluationSettings()
    public var checkpoints = CheckpointSettings()
    public var output = OutputSettings()
    public var launch = LaunchSettings()

    public init() {}
}

/// The model that is trained and how it computes.
public struct ModelSettings: Sendable, Hashable {
    /// A HuggingFace folder, a GGUF file, or a folder with only a config.json (with
    /// `reinitWeights`).
    public var baseModel = ""
    /// Start from random weights instead of those in `baseModel`.
    public var reinitWeights = false
    /// Never `.auto` after resolution.
    public var bf16 = BF16Mode.off
    public var fp16 = false
    public var fp32 = false
    public var reductionDType = ReductionDType.fp32
    /// For fp16.
    public var lossScaling = LossScaling()
    /// Recompute each block's activations in the backward pass instead of keeping them.
    public var gradientCheckpointing = false

    public init() {}

    /// bf16 compute with fp32 master weights and moments; otherwise all is fp32.
    public var usesBFloat16: Bool { bf16 == .on }

    /// The dtype of the arithmetic, as people call it.
    var computeName: String { usesBFloat16 ? "bf16" : fp16 ? "fp16" : "fp32" }
}

public enum BF16Mode: String, Sendable, Hashable, CaseIterable {
    case on = "true"
    case off = "false"
    /// bf16 where the processor or accelerator computes in it; decided before the run starts.
    case auto
}

/// How much is computed at a time, and for how long.
public struct BatchSettings: Sendable, Hashable {
    /// Sequences per rank and micro-batch.
    public var microBatchSize = 1
    /// Micro-batches per optimizer step.
    public var gradientAccumulationSteps = 1
    /// Sequences per rank in evaluation; filled in (`microBatchSize`).
    public var evalBatchSize: Int?
    public var numEpochs = 1.0
    /// Optimizer steps; wins over `numEpochs`.
    public var maxSteps: Int?

    public init() {}
}

/// Evaluation on held-out samples, and answers to sample prompts.
public struct EvaluationSettings: Sendable, Hashable {
    /// Optimizer steps between evaluations; evaluation always happens before and after the run too.
    public var evalSteps: Int?
    public var evalsPerEpoch: Int?
    /// Prompts that the model answers before and after training.
    public var samplePrompts: [String] = []
    public var sampleMaxNewTokens = 64

    public init() {}
}

public struct OutputSettings: Sendable, Hashable {
    public var outputDirectory = "model-out"
    /// Optimizer steps between plain progress lines; metrics.jsonl has every step.
    public var loggingSteps = 1
    public var seed = 42

    public init() {}
}

/// The processes of the run.
public struct LaunchSettings: Sendable, Hashable {
    public var ranks = 1
    /// Filled in (cores / ranks).
    public var threadsPerRank: Int?

    public init() {}
}
