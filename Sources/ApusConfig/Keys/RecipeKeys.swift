/// The keys of a recipe, in the order in which people read them.
enum RecipeKeys {
    static let all =
        model + adapter + precision + sharding + data + batch + loss + optimizer + schedule
        + evaluation + checkpoints + output

    private static let model: [Key<Recipe>] = [
        Key(
            "base_model", \.model.baseModel, .text("a path or a name"), required: true,
            "The model: a HuggingFace folder, a GGUF file, or a model's name on the hub."),
        Key(
            "reinit_weights", \.model.reinitWeights, .boolean,
            "Start from random weights; base_model may then hold only a config.json."),
        Key(
            "gradient_checkpointing", \.model.gradientCheckpointing, .boolean,
            "Recompute activations in the backward pass: less memory, slower."
        ),
    ]

    private static let batch: [Key<Recipe>] = [
        Key(
            "micro_batch_size", \.batch.microBatchSize, .atLeast(1),
            "Sequences per rank that are computed at once."),
        Key(
            "gradient_accumulation_steps", \.batch.gradientAccumulationSteps, .atLeast(1),
            "Micro-batches per optimizer step."),
        Key(
            "eval_batch_size", \.batch.evalBatchSize, .optional(.atLeast(1)),
            "Sequences per rank that are evaluated at once."),
        Key(
            "num_epochs", \.batch.numEpochs, .positive,
            "Passes over the data; max_steps wins over it."),
        Key(
            "max_steps", \.batch.maxSteps, .optional(.atLeast(1)),
            "Optimizer steps after which the run ends."),
    ]

    private static let optimizer: [Key<Recipe>] = [
        Key(
            "optimizer", \.optimizer.name, .choice(notYet: optimizersToCome),
            "The update rule; the three adamw names mean the same fused AdamW."),
        Key(
            "learning_rate", \.optimizer.learningRate, .notNegative, required: true,
            "The highest learning rate of the run."),
        Key(
            "adam_beta1", \.optimizer.adamBeta1, .fraction,
            "Decay of AdamW's and Lion's first moment."),
        Key(
            "adam_beta2", \.optimizer.adamBeta2, .fraction,
            "Decay of AdamW's and Lion's second moment."),
        Key("adam_epsilon", \.optimizer.adamEpsilon, .notNegative, "Added to AdamW's denominator."),
        Key(
            "weight_decay", \.optimizer.weightDecay, .notNegative,
            "Decoupled weight decay; biases and norms are spared."),
        Key(
            "max_grad_norm", \.optimizer.maxGradNorm, .notNegative,
            "Gradients are clipped to this global norm; 0 does not clip."),
    ]

    private static let optimizersToCome = Dictionary(
        uniqueKeysWithValues: [
            "adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "lion_8bit",
            "lion_32bit",
            "adagrad", "rmsprop", "came_pytorch", "adopt_adamw", "schedule_free_adamw",
        ].map { ($0, "there is no such optimizer here") })

    private static let schedule: [Key<Recipe>] = [
        Key(
            "lr_scheduler", \.schedule.name, .choice(notYet: schedulesToCome),
            "The shape of the learning rate after warm-up."),
        Key(
            "lr_scheduler_kwargs", \.schedule.arguments,
            .table(scheduleArguments, standard: ScheduleArguments()), "Details of the schedule."),
        Key(
            "cosine_min_lr_ratio", \.schedule.cosineMinLRRatio, .optional(.ratio),
            "Where a cosine ends, as a share of learning_rate."),
        Key(
            "warmup_steps", \.schedule.warmupSteps, .optional(.atLeast(0)),
            "Optimizer steps over which the learning rate rises from 0."),
        Key(
            "warmup_ratio", \.schedule.warmupRatio, .optional(.ratio),
            "The same as a share of all steps."),
        Key(
            "warmup_type", \.schedule.warmupCurve, .choice(),
            "How it rises: along a line, or with the logarithm of the step."),
    ]

    private static let schedulesToCome = Dictionary(
        uniqueKeysWithValues: [
            "cosine_with_restarts", "polynomial", "inverse_sqrt", "reduce_lr_on_plateau",
            "one_cycle", "rex",
            "log_sweep", "greedy", "cosine_with_min_lr", "cosine_warmup_with_min_lr",
        ].map {
            (
                $0,
                $0.contains("min_lr")
                    ? "use cosine with cosine_min_lr_ratio" : "there is no such schedule here"
            )
        })

    private static let scheduleArguments: [Key<ScheduleArguments>] = [
        Key(
            "num_decay_steps", \.numDecaySteps, .optional(.atLeast(1)),
            "Steps of the last, falling phase of warmup_stable_decay."),
        Key(
            "min_lr_ratio", \.minLRRatio, .ratio,
            "Where warmup_stable_decay ends, as a share of learning_rate."),
    ]

    private static let evaluation: [Key<Recipe>] = [
        Key(
            "eval_steps", \.evaluation.evalSteps, .optional(.atLeast(1)),
            "Optimizer steps between evaluations."),
        Key(
            "evals_per_epoch", \.evaluation.evalsPerEpoch, .optional(.atLeast(1)),
            "Evaluations in each epoch, evenly spaced."),
        Key(
            "sample_prompts", \.evaluation.samplePrompts, .list(of: .text()),
            "Prompts that the model answers before and after training."),
        Key(
            "sample_max_new_tokens", \.evaluation.sampleMaxNewTokens, .atLeast(1),
            "The longest of these answers, in tokens."),
    ]

    private static let output: [Key<Recipe>] = [
        Key(
            "output_dir", \.output.outputDirectory, .text("a path"),
            "Where the model, metrics and logs are written."),
        Key(
            "logging_steps", \.output.loggingSteps, .atLeast(1),
            "Optimizer steps between progress lines where output is no terminal."),
        Key(
            "seed", \.output.seed, .atLeast(0),
            "Decides the order of samples, the held-out split, dropout and new weights."),
        Key(
            "ranks", \.launch.ranks, .integer(1...4096),
            "Processes of the run, each with its part of every batch."),
        Key(
            "threads_per_rank", \.launch.threadsPerRank, .optional(.integer(1...4096)),
            "Processor threads of each rank."),
    ]
}
