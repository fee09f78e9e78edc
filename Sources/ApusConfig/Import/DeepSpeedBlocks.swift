/// The blocks of a DeepSpeed JSON about sharding, memory and everything beside training itself.
extension DeepSpeedKeys {
    static let blocks = [
        ImportKey("zero_optimization", zero),
        ImportKey("activation_checkpointing", activationCheckpointing),
        ImportKey("aio", disk),
        ImportKey("checkpoint", checkpoint),
        ImportKey("pipeline", pipeline),
        ImportKey(absent: "tensor_parallel", remedy: "weights are not split: remove the block"),
        ImportKey(absent: "expert_parallel", remedy: "experts are not spread: remove the block"),
        ImportKey(absent: "moe", remedy: "experts are not spread over ranks: remove the block"),
        ImportKey(absent: "hybrid_engine", remedy: "remove the block: there is one engine"),
        ImportKey(absent: "weight_quantization", remedy: "weights are not quantized: remove it"),
        ImportKey(absent: "compile", remedy: "remove the block: there is no graph compiler"),
        ImportKey(absent: "data_efficiency", remedy: "remove the block: all data is trained"),
        ImportKey(absent: "datastates_ckpt", remedy: "remove the block: saving is built in"),
    ]

    private static let zero: [ImportKey] =
        zeroStages + zeroBuckets + zeroParameters + zeroPlusPlus + zeroDetails

    private static let zeroStages = [
        ImportKey("stage", .integer(0...3), "0", .becomes("sharding")),
        ImportKey("offload_optimizer", offload("optimizer state")),
        ImportKey("offload_param", offload("parameters")),
        ImportKey(
            "cpu_offload", .boolean, "false",
            .refused(unless: ["false"], remedy: noOffload("optimizer state"))),
        ImportKey(
            "cpu_offload_param", .boolean, "false",
            .refused(unless: ["false"], remedy: noOffload("parameters"))),
        ImportKey(
            "cpu_offload_params", .boolean, "false",
            .refused(unless: ["false"], remedy: noOffload("parameters"))),
        ImportKey(
            "cpu_offload_use_pin_memory", .boolean, "false", .inert("nothing is offloaded")),
        ImportKey(absent: "zenflow", remedy: "remove the block: nothing is offloaded"),
    ]

    private static let zeroBuckets = [
        ImportKey(
            "contiguous_gradients", .boolean, "true", .inert("gradients always lie end to end")),
        ImportKey("reduce_scatter", .boolean, "true", .inert("always a true reduce-scatter")),
        ImportKey("reduce_bucket_size", .atLeast(1), "5e8", .inert(units)),
        ImportKey("use_multi_rank_bucket_allreduce", .boolean, "true", .inert(units)),
        ImportKey("allgather_partitions", .boolean, "true", .inert("always an all-gather")),
        ImportKey("allgather_bucket_size", .atLeast(0), "5e8", .inert(units)),
        ImportKey("allgather_size", .atLeast(0), "5e8", .inert(units)),
        ImportKey(
            "overlap_comm", .boolean, "true at stage 3", .inert("communication always overlaps")),
        ImportKey("round_robin_gradients", .boolean, "false", .inert(units)),
        ImportKey("parameter_alignment", .boolean, "false", .inert("units are always aligned")),
    ]

    private static let units = "units are gathered and reduced whole, each rank an equal part"

    private static let zeroParameters = [
        ImportKey("sub_group_size", .atLeast(1), "1e9", .inert("the update is one pass")),
        ImportKey(
            "stage3_prefetch_bucket_size", .atLeast(0), "5e7", .becomes("gather_prefetch_bytes"),
            aliases: ["prefetch_bucket_size"]),
        ImportKey(
            "stage3_param_persistence_threshold", .atLeast(0), "1e5", .inert(persistence),
            aliases: ["param_persistence_threshold"]),
        ImportKey(
            "stage3_model_persistence_threshold", .atLeast(0), "unlimited", .inert(persistence),
            aliases: ["model_persistence_threshold"]),
        ImportKey(
            "stage3_max_live_parameters", .atLeast(0), "1e9", .inert(released),
            aliases: ["max_live_parameters"]),
        ImportKey(
            "stage3_max_reuse_distance", .atLeast(0), "1e9", .inert(released),
            aliases: ["max_reuse_distance"]),
        ImportKey(
            "stage3_gather_16bit_weights_on_model_save", .boolean, "false",
            .inert("the whole model is always saved"),
            aliases: [
                "gather_16bit_weights_on_model_save", "stage3_gather_fp16_weights_on_model_save",
            ]),
        ImportKey(
            "stage3_module_granularity_threshold", .atLeast(0), "0", .inert(declared),
            aliases: ["module_granularity_threshold"]),
        ImportKey(
            "stage3_use_all_reduce_for_fetch_params", .boolean, "false",
            .inert("always an all-gather"), aliases: ["use_all_reduce_for_fetch_params"]),
        ImportKey("stage3_allgather_sequential", .boolean, "false", .inert(units)),
        ImportKey(
            "leaf_module",
            [
                ImportKey("classes", .list(of: .text()), "MoE blocks", .inert(declared)),
                ImportKey("names", .list(of: .text()), "[]", .inert(declared)),
                ImportKey("name_suffixes", .list(of: .text()), "[]", .inert(declared)),
            ]),
    ]

    private static let persistence = "small parameters travel with their unit"
    private static let released = "a unit is released after its last use in a pass"
    private static let declared = "units are declared by the model"

    private static let zeroPlusPlus = [
        ImportKey(
            "zero_hpz_partition_size", .atLeast(1), "1",
            .refused(
                unless: ["1"],
                remedy: "remove it; 'sharding_group_size' shards within groups of ranks")),
        ImportKey("zero_quantized_weights", .boolean, "false", quantized),
        ImportKey("zero_quantized_nontrainable_weights", .boolean, "false", quantized),
        ImportKey("zero_quantized_gradients", .boolean, "false", quantized),
        ImportKey(
            "mics_shard_size", .integer(-1...4096), "-1",
            .refused(unless: ["-1"], remedy: "use 'sharding_group_size' in the recipe")),
        ImportKey(
            "mics_hierarchical_params_gather", .boolean, "false",
            .refused(unless: ["false"], remedy: "use 'sharding_group_size' in the recipe")),
        ImportKey(absent: "zeropp_loco_param", remedy: "gradients are not quantized: remove it"),
    ]

    private static let quantized = ImportKey.Fate.refused(
        unless: ["false"], remedy: "nothing is quantized on its way: remove the key")

    private static let zeroDetails = [
        ImportKey("compute_grad_norm", .boolean, "true", .inert("the norm comes with the sums")),
        ImportKey(
            "load_from_fp32_weights", .boolean, "true", .inert("masters are always loaded")),
        ImportKey(
            "elastic_checkpoint", .boolean, "false",
            .inert("checkpoints load on any number of ranks")),
        ImportKey(
            "ignore_unused_parameters", .boolean, "true",
            .inert("a parameter that was not used has gradient 0")),
        ImportKey(
            "legacy_stage1", .boolean, "false",
            .refused(unless: ["false"], remedy: "DeepSpeed refuses it too: remove the key")),
        ImportKey(
            "memory_efficient_linear", .boolean, "true", .inert("linear layers keep no copies")),
        ImportKey(
            "pipeline_loading_checkpoint", .boolean, "false",
            .inert("each rank reads only its part")),
        ImportKey(
            "override_module_apply", .boolean, "true", .inert("no constructors are patched")),
        ImportKey(
            "log_trace_cache_warnings", .boolean, "false", .inert("there is no trace cache")),
        ImportKey(
            "enable_sanity_checks", .boolean, "false", .inert("collectives are always checked")),
        ImportKey(
            "save_muon_momentum_buffer_in_memory", .boolean, "false", .inert("there is no Muon")),
    ]

    private static func noOffload(_ what: String) -> String {
        "nothing is offloaded: remove the key, and share the \(what) out over more ranks"
    }

    private static func offload(_ what: String) -> [ImportKey] {
        let off = ImportKey.Fate.inert("nothing is offloaded")
        return [
            ImportKey(
                "device", .word("none", "cpu", "nvme"), "none",
                .refused(unless: ["none"], remedy: noOffload(what))),
            ImportKey("nvme_path", .text(), "not set", off),
            ImportKey("buffer_count", .atLeast(1), "4 or 5", off),
            ImportKey("buffer_size", .atLeast(1), "1e8", off),
            ImportKey("max_in_cpu", .atLeast(0), "1e9", off),
            ImportKey("pin_memory", .boolean, "true", off),
            ImportKey("pipeline_read", .boolean, "false", off),
            ImportKey("pipeline_write", .boolean, "false", off),
            ImportKey("pipeline", .boolean, "false", off),
            ImportKey("fast_init", .boolean, "false", off),
            ImportKey("ratio", .ratio, "1.0", off),
            ImportKey("super_offload", .boolean, "false", off),
            ImportKey("cpuadam_cores_perc", .ratio, "0.8", off),
        ]
    }

    private static let activationCheckpointing = [
        ImportKey("partition_activations", .boolean, "false", .inert(noSwitch)),
        ImportKey(
            "cpu_checkpointing", .boolean, "false",
            .refused(
                unless: ["false"],
                remedy: "activations are not offloaded: use 'gradient_checkpointing: true' alone")),
        ImportKey("contiguous_memory_optimization", .boolean, "false", .inert(noSwitch)),
        ImportKey("number_checkpoints", .atLeast(1), "not set", .inert(noSwitch)),
        ImportKey("synchronize_checkpoint_boundary", .boolean, "false", .inert(noSwitch)),
        ImportKey("profile", .boolean, "false", .inert(noSwitch)),
    ]

    private static let noSwitch = "this block turns nothing on; 'gradient_checkpointing: true' does"

    private static let disk = [
        "block_size", "queue_depth", "intra_op_parallelism", "thread_count",
    ].map { ImportKey($0, .atLeast(1), "not set", .inert("nothing is offloaded to disk")) }
        + ["single_submit", "overlap_events", "use_gds"].map {
            ImportKey($0, .boolean, "not set", .inert("nothing is offloaded to disk"))
        }

    private static let checkpoint = [
        ImportKey("tag_validation", .word("Ignore", "Warn", "Fail"), "Warn", .inert(whole)),
        ImportKey("load_universal", .boolean, "false", .inert(whole)),
        ImportKey("use_node_local_storage", .boolean, "false", .inert(whole)),
        ImportKey("parallel_write", .anything, "{}", .inert(whole)),
        ImportKey("checkpoint_serialization", .boolean, "true", .inert(whole)),
        ImportKey("writer", .anything, "not set", .inert(whole)),
    ]

    private static let whole = "checkpoints have one form, for any number of ranks"

    private static let pipeline = [
        ImportKey(
            "stages", .atLeast(1), "auto",
            .refused(unless: ["1"], remedy: "blocks are not spread over ranks: remove the block")),
        ImportKey("partition", .text(), "best", .inert("there is no pipeline")),
        ImportKey("seed_layers", .boolean, "false", .inert("there is no pipeline")),
        ImportKey(
            "activation_checkpoint_interval", .atLeast(0), "0", .inert("there is no pipeline")),
        ImportKey("pipe_partitioned", .boolean, "true", .inert("there is no pipeline")),
        ImportKey("grad_partitioned", .boolean, "true", .inert("there is no pipeline")),
    ]
}
