/// The keys of a DeepSpeed JSON (0.19.8, and older names that files still carry).
enum DeepSpeedKeys {
    static let all = batch + optimizing + precision + communication + blocks + reporting + retired

    private static let batch = [
        ImportKey(
            "train_batch_size", .atLeast(1), "not set",
            .becomes("micro_batch_size, gradient_accumulation_steps")),
        ImportKey(
            "train_micro_batch_size_per_gpu", .atLeast(1), "not set", .becomes("micro_batch_size")),
        ImportKey(
            "gradient_accumulation_steps", .atLeast(1), "1",
            .becomes("gradient_accumulation_steps")),
        ImportKey(
            "managed_gradient_accumulation", .boolean, "true",
            .refused(unless: ["true"], remedy: "remove it: a window ends where the recipe says")),
        ImportKey(
            "dataloader_drop_last", .boolean, "false",
            .refused(unless: ["false"], remedy: "remove it: a short last window is trained too")),
    ]

    private static let optimizing = [
        ImportKey(
            "optimizer",
            [
                ImportKey(
                    "type", .word(optimizers), "not set", .becomes("optimizer"), allowsAuto: false),
                ImportKey("params", optimizerParameters),
                ImportKey("legacy_fusion", .boolean, "false", .inert("every update is one pass")),
            ]),
        ImportKey(
            "scheduler",
            [
                ImportKey(
                    "type", .word(schedulers), "not set",
                    .becomes("lr_scheduler"), allowsAuto: false),
                ImportKey("params", schedulerParameters),
            ]),
        ImportKey("gradient_clipping", .notNegative, "1.0", .becomes("max_grad_norm")),
        ImportKey(
            "zero_allow_untested_optimizer", .boolean, "false",
            .inert("every optimizer works at every stage")),
        ImportKey(
            "zero_force_ds_cpu_optimizer", .boolean, "true", .inert("there is one optimizer")),
    ]

    /// The types that DeepSpeed knows; those that Apus lacks are refused by the translation.
    static let optimizers = [
        "Adam", "AdamW", "Lion", "SGD", "Adafactor", "Adagrad", "Lamb", "Muon", "MuAdam",
        "MuAdamW", "MuSGD", "OneBitAdam", "OneBitLamb", "ZeroOneAdam", "RMSprop",
    ]

    static let schedulers = [
        "WarmupLR", "WarmupDecayLR", "WarmupCosineLR", "LRRangeTest", "OneCycle",
    ]

    private static let optimizerParameters = [
        ImportKey("lr", .notNegative, "0.001", .becomes("learning_rate")),
        ImportKey(
            "betas", .list(of: .fraction), "[0.9, 0.999]", .becomes("adam_beta1, adam_beta2")),
        ImportKey("eps", .notNegative, "1e-8", .becomes("adam_epsilon")),
        ImportKey("weight_decay", .notNegative, "0", .becomes("weight_decay")),
        ImportKey(
            "momentum", .fraction, "0",
            .refused(unless: ["0.0"], remedy: "SGD here has no momentum: remove the key")),
        ImportKey(
            "nesterov", .boolean, "false",
            .refused(unless: ["false"], remedy: "SGD here has no momentum: remove the key")),
        ImportKey(
            "adam_w_mode", .boolean, "true",
            .refused(
                unless: ["true"], remedy: "weight decay is always decoupled: remove the key")),
        ImportKey(
            "amsgrad", .boolean, "false",
            .refused(unless: ["false"], remedy: "AdamW has no amsgrad here: remove the key")),
        ImportKey(
            "bias_correction", .boolean, "true",
            .refused(unless: ["true"], remedy: "bias is always corrected: remove the key")),
        ImportKey("torch_adam", .boolean, "false", .inert("there is one AdamW")),
        ImportKey("foreach", .boolean, "not set", .inert("every update is one pass")),
        ImportKey("fused", .boolean, "not set", .inert("every update is one pass")),
        ImportKey(
            "fp32_optimizer_states", .boolean, "true",
            .refused(unless: ["true"], remedy: "moments are always fp32: remove the key")),
        ImportKey(
            "max_grad_norm", .notNegative, "0",
            .refused(unless: ["0.0"], remedy: "use 'gradient_clipping'")),
    ]

    private static let schedulerParameters = [
        ImportKey("warmup_min_lr", .notNegative, "0", .inert("a warm-up begins at 0")),
        ImportKey("warmup_max_lr", .notNegative, "the optimizer's lr", .becomes("learning_rate")),
        ImportKey("warmup_num_steps", .atLeast(0), "1000", .becomes("warmup_steps")),
        ImportKey("warmup_type", .word("log", "linear"), "log", .becomes("warmup_type")),
        ImportKey("total_num_steps", .atLeast(1), "required", .becomes("max_steps")),
        ImportKey("warmup_min_ratio", .ratio, "0", .inert("a warm-up begins at 0")),
        ImportKey("cos_min_ratio", .ratio, "0.0001", .becomes("cosine_min_lr_ratio")),
        ImportKey(
            "last_batch_iteration", .integer(-1...Int.max), "-1",
            .refused(unless: ["-1"], remedy: "a run begins at its first step: remove the key")),
    ]

    private static let precision = [
        ImportKey(
            "fp16",
            [
                ImportKey("enabled", .boolean, "false", .becomes("fp16")),
                ImportKey("auto_cast", .boolean, "false", .inert("token ids are not cast")),
                ImportKey("loss_scale", .notNegative, "0", .becomes("loss_scaling.loss_scale")),
                ImportKey(
                    "initial_scale_power", .integer(0...126), "16",
                    .becomes("loss_scaling.initial_scale_power")),
                ImportKey(
                    "loss_scale_window", .atLeast(1), "1000",
                    .becomes("loss_scaling.loss_scale_window")),
                ImportKey("hysteresis", .atLeast(1), "2", .becomes("loss_scaling.hysteresis")),
                ImportKey(
                    "consecutive_hysteresis", .boolean, "false",
                    .becomes("loss_scaling.consecutive_hysteresis")),
                ImportKey(
                    "min_loss_scale", .positive, "1", .becomes("loss_scaling.min_loss_scale")),
                ImportKey(
                    "fp16_master_weights_and_grads", .boolean, "false",
                    .refused(unless: ["false"], remedy: masters)),
                ImportKey("fp16_opt_level", .text(), "not set", .inert("a key of Apex")),
                ImportKey("opt_level", .text(), "not set", .inert("a key of Apex")),
            ]),
        ImportKey(
            "bf16", aliases: ["bfloat16"],
            [
                ImportKey("enabled", .boolean, "false", .becomes("bf16")),
                ImportKey(
                    "immediate_grad_update", .boolean, "false",
                    .inert("gradients are added in fp32 as they come")),
                ImportKey(
                    "check_grad_overflow", .boolean, "true",
                    .inert("a gradient that is not finite always skips its step")),
                ImportKey(
                    "bf16_master_weights_and_grads", .boolean, "false",
                    .refused(unless: ["false"], remedy: masters)),
                ImportKey(
                    "bf16_optimizer_states", .boolean, "false",
                    .refused(unless: ["false"], remedy: "moments are fp32: remove the key")),
            ]),
        ImportKey(
            "torch_autocast",
            [
                enabled("false", remedy: "use bf16: it computes in bf16 with fp32 masters"),
                ImportKey("dtype", .text(), "not set", .inert("torch_autocast is off")),
                ImportKey(
                    "lower_precision_safe_modules", .list(of: .text()), "not set",
                    .inert("torch_autocast is off")),
            ]),
        ImportKey(
            "data_types",
            [
                ImportKey(
                    "grad_accum_dtype", .text(), "not set",
                    .inert("gradients are added up in fp32")),
                ImportKey(
                    "param_dtype", .text(), "not set", .inert("bf16 and fp16 decide it")),
                ImportKey(
                    "buffer_dtype", .text(), "not set", .inert("buffers are fp32")),
                ImportKey(
                    "keep_in_fp32_modules", .anything, "auto", .inert("masters are fp32")),
            ]),
    ]

    private static let masters = "master weights are fp32: remove the key"

    private static let communication = [
        ImportKey(
            "communication_data_type", .word("fp16", "bf16", "fp32"), "by precision",
            .becomes("reduction_dtype")),
        ImportKey(
            "seq_parallel_communication_data_type", .text(), "fp32",
            .inert("sequences are not split over ranks")),
        ImportKey(
            "gradient_allreduce_op", .word("mean", "sum"), "mean",
            .refused(
                unless: ["mean"], remedy: "the loss is the mean over trained tokens: remove it")),
        ImportKey(
            "prescale_gradients", .boolean, "false", .inert("sums are scaled once, in fp32")),
        ImportKey(
            "gradient_predivide_factor", .positive, "1.0",
            .inert("sums are scaled once, in fp32")),
        ImportKey("disable_allgather", .boolean, "false", .inert("DeepSpeed does not use it")),
        ImportKey(
            "use_data_before_expert_parallelism", .boolean, "false",
            .inert("experts are not spread over ranks")),
        ImportKey(
            "sequence_parallel_size", .atLeast(1), "1",
            .refused(unless: ["1"], remedy: "sequences are not split over ranks: remove the key")),
        ImportKey(
            "data_parallel_size", .atLeast(1), "all ranks", .inert("all ranks are data parallel")),
    ]

    static func enabled(_ harmless: String, remedy: String) -> ImportKey {
        ImportKey(
            "enabled", .boolean, "false", .refused(unless: [harmless], remedy: remedy))
    }
}
