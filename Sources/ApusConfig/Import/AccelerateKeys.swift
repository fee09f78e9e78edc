import ApusBase

/// The keys of an Accelerate YAML, as `accelerate config` writes it.
enum AccelerateKeys {
    static let all = launch + machines + plugins

    private static let launch = [
        ImportKey(
            "compute_environment", .word("LOCAL_MACHINE", "AMAZON_SAGEMAKER"), "LOCAL_MACHINE",
            .refused(unless: ["LOCAL_MACHINE"], remedy: "run 'apus' on the machine itself")),
        ImportKey("distributed_type", .word(distributedTypes), "required", .becomes("sharding")),
        ImportKey(
            "mixed_precision", .word("no", "fp16", "bf16", "fp8"), "no", .becomes("bf16, fp16")),
        ImportKey("fp16", .boolean, "false", .becomes("fp16")),
        ImportKey(
            "use_cpu", .boolean, "false", .inert("the processor is used where there is no other")),
        ImportKey(
            "debug", .boolean, "false", .inert("collectives are always checked over ranks")),
        ImportKey("num_processes", .atLeast(1), "required", .becomes("ranks")),
        ImportKey("main_training_function", .text(), "main", .inert("there is no script")),
        ImportKey(
            "enable_cpu_affinity", .switchWord, "false", .inert("the system places threads")),
        ImportKey("downcast_bf16", .switchWord, "no", .inert("it concerns TPUs")),
        ImportKey("dynamo_backend", .text(), "no", .inert("there is no graph compiler")),
    ]

    private static let distributedTypes = [
        "NO", "MULTI_CPU", "MULTI_GPU", "MULTI_XPU", "MULTI_NPU", "MULTI_MLU", "MULTI_MUSA",
        "MULTI_SDAA", "MULTI_HPU", "MULTI_NEURON", "DEEPSPEED", "FSDP", "MEGATRON_LM", "XLA", "TPU",
    ]

    private static let machines = [
        ImportKey(
            "num_machines", .atLeast(1), "1",
            .refused(
                unless: ["1"],
                remedy: "a recipe runs on one machine; 'apus launch --nnodes' starts programs on "
                    + "several")),
        ImportKey("machine_rank", .atLeast(0), "0", .inert(oneMachine)),
        ImportKey("gpu_ids", .text(), "all", .inert("choose devices with CUDA_VISIBLE_DEVICES")),
        ImportKey("main_process_ip", .text(), "not set", .inert(oneMachine)),
        ImportKey("main_process_port", .atLeast(0), "29500", .inert("use --master-port")),
        ImportKey("rdzv_backend", .text(), "static", .inert(oneMachine)),
        ImportKey("same_network", .switchWord, "false", .inert(oneMachine)),
        ImportKey("deepspeed_hostfile", .text(), "not set", .inert(oneMachine)),
        ImportKey("tpu_name", .text(), "not set", .inert(tpu)),
        ImportKey("tpu_zone", .text(), "not set", .inert(tpu)),
        ImportKey("tpu_use_cluster", .switchWord, "false", .inert(tpu)),
        ImportKey("tpu_use_sudo", .switchWord, "false", .inert(tpu)),
        ImportKey("tpu_env", .anything, "[]", .inert(tpu)),
        ImportKey("tpu_vm", .anything, "not set", .inert(tpu)),
        ImportKey("command_file", .text(), "not set", .inert(tpu)),
        ImportKey("commands", .anything, "not set", .inert(tpu)),
    ]

    private static let oneMachine = "a recipe runs on one machine"
    private static let tpu = "it concerns TPUs"

    private static let plugins = [
        ImportKey("deepspeed_config", deepSpeed),
        ImportKey("fsdp_config", fullySharded),
        ImportKey("parallelism_config", parallelism),
        ImportKey(
            "mpirun_config", [ImportKey("mpirun_hostfile", .text(), "not set", .inert(oneMachine))]
        ),
        ImportKey("dynamo_config", .anything, "{}", .inert("there is no graph compiler")),
        ImportKey(absent: "megatron_lm_config", remedy: "weights are not split: remove the block"),
        ImportKey(absent: "fp8_config", remedy: "use 'mixed_precision: bf16'"),
    ]

    private static let deepSpeed: [ImportKey] = [
        ImportKey("deepspeed_config_file", .text(), "not set", .becomes("deepspeed")),
        ImportKey("zero_stage", .integer(0...3), "2", .becomes("sharding")),
        ImportKey(
            "gradient_accumulation_steps", .atLeast(1), "1",
            .becomes("gradient_accumulation_steps")),
        ImportKey("gradient_clipping", .notNegative, "1.0", .becomes("max_grad_norm")),
        ImportKey("offload_optimizer_device", device, "none", offload),
        ImportKey("offload_param_device", device, "none", offload),
        ImportKey("offload_optimizer_nvme_path", .text(), "none", .inert("nothing is offloaded")),
        ImportKey("offload_param_nvme_path", .text(), "none", .inert("nothing is offloaded")),
        ImportKey(
            "zero3_init_flag", .switchWord, "true at stage 3",
            .inert("no rank ever builds more than it holds")),
        ImportKey(
            "zero3_save_16bit_model", .switchWord, "false",
            .inert("the whole model is always saved")),
        ImportKey("deepspeed_multinode_launcher", .text(), "pdsh", .inert(oneMachine)),
        ImportKey("deepspeed_hostfile", .text(), "not set", .inert(oneMachine)),
        ImportKey("deepspeed_exclusion_filter", .text(), "not set", .inert(oneMachine)),
        ImportKey("deepspeed_inclusion_filter", .text(), "not set", .inert(oneMachine)),
        ImportKey(
            "deepspeed_moe_layer_cls_names", .text(), "not set",
            .inert("units are declared by the model")),
    ]

    private static let device = ValueKind<String>.word("none", "cpu", "nvme")
    private static let offload = ImportKey.Fate.refused(
        unless: ["none"], remedy: "state stays in each rank's memory: write none")

    private static let fullySharded: [ImportKey] = [
        key("version", .integer(1...2), "1", .inert("there is one engine")),
        key(
            "sharding_strategy",
            .word(
                "FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD", "HYBRID_SHARD", "HYBRID_SHARD_ZERO2",
                "1", "2", "3", "4", "5"),
            "FULL_SHARD", .becomes("sharding")),
        key(
            "reshard_after_forward",
            .word(
                "true", "false", "FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD", "HYBRID_SHARD",
                "HYBRID_SHARD_ZERO2"),
            "true", .becomes("sharding")),
        key("activation_checkpointing", .switchWord, "false", .becomes("gradient_checkpointing")),
        key(
            "offload_params", .switchWord, "false",
            .refused(unless: ["false"], remedy: "state stays in each rank's memory: write false")),
        key(
            "activation_checkpointing_offload", .switchWord, "false",
            .refused(unless: ["false"], remedy: "activations are not offloaded: write false")),
        key(
            "auto_wrap_policy", .text(), "NO_WRAP", .inert("units are declared by the model")),
        key(
            "transformer_layer_cls_to_wrap", .text(), "not set",
            .inert("units are declared by the model")),
        key("min_num_params", .atLeast(0), "1e8", .inert("units are declared by the model")),
        key("ignored_modules", .anything, "not set", .inert("units are declared by the model")),
        key("backward_prefetch", .text(), "not set", .inert("'gather_prefetch_bytes' decides")),
        key("backward_prefetch_policy", .text(), "not set", .inert("a former name")),
        key("forward_prefetch", .switchWord, "false", .inert("'gather_prefetch_bytes' decides")),
        key("limit_all_gathers", .switchWord, "true", .inert("'gather_prefetch_bytes' decides")),
        key(
            "state_dict_type", .text(), "FULL_STATE_DICT",
            .inert("checkpoints have one form, for any number of ranks")),
        key("use_orig_params", .switchWord, "true", .inert("parameters are always their own")),
        key("sync_module_states", .switchWord, "true", .inert("ranks read the same file")),
        key(
            "cpu_ram_efficient_loading", .switchWord, "true",
            .inert("no rank ever builds more than it holds")),
    ]

    /// Keys of this block may be written with or without `fsdp_`.
    private static func key<Value>(
        _ name: String, _ kind: ValueKind<Value>, _ standard: String, _ fate: ImportKey.Fate
    ) -> ImportKey {
        ImportKey("fsdp_\(name)", kind, standard, fate, aliases: [name])
    }

    private static let parallelism: [ImportKey] = [
        size("dp_replicate_size", .becomes("sharding_group_size")),
        size("dp_shard_size", .becomes("sharding_group_size")),
        size("tp_size", notSplit), size("cp_size", notSplit), size("sp_size", notSplit),
    ]

    private static let notSplit = ImportKey.Fate.refused(
        unless: ["1"], remedy: "ranks only share out training state: write 1")

    private static func size(_ name: String, _ fate: ImportKey.Fate) -> ImportKey {
        ImportKey("parallelism_config_\(name)", .atLeast(1), "1", fate, aliases: [name])
    }
}

extension ValueKind where Value == Bool {
    /// A boolean, also as Accelerate quotes it: 'no', 'true'.
    static var switchWord: ValueKind {
        .scalar("true or false") { scalar in
            switch scalar.text.lowercased() {
            case "true", "yes", "on", "1": true
            case "false", "no", "off", "0": false
            default: nil
            }
        } json: {
            .bool($0)
        }
    }
}
