import ApusBase

/// From an Accelerate YAML to the settings of a recipe.
enum AccelerateTranslation {
    static let tool = "Accelerate"

    static func translate(_ entry: Entry) -> Translation {
        var state = ReadingState()
        let document = ImportedDocument(
            entry, keys: AccelerateKeys.all, tool: tool, state: &state)
        var translation = Translation(document, tool: tool, problems: state.problems)
        translation.ranks()
        translation.precision()
        switch document.text("distributed_type") {
        case "DEEPSPEED": translation.deepSpeed()
        case "FSDP": translation.fullyShardedData()
        case "MEGATRON_LM":
            translation.report(
                "distributed_type", "'MEGATRON_LM': weights are not split over ranks here",
                hint: "use FSDP or DEEPSPEED, which shard")
        default: break
        }
        return translation
    }
}

extension Translation {
    fileprivate mutating func ranks() {
        if document.text("distributed_type") == "NO" {
            note("num_processes", "'distributed_type: NO' runs one process")
        } else {
            set("ranks", from: "num_processes")
        }
    }

    fileprivate mutating func precision() {
        if let old = document["fp16"], document["mixed_precision"] == nil {
            set("fp16", old.json, old.origin)
        }
        guard let mode = document["mixed_precision"] else { return }
        switch mode.json.stringValue {
        case "bf16": set("bf16", true, mode.origin)
        case "fp16": set("fp16", true, mode.origin)
        case "no": set("bf16", false, mode.origin)
        default:
            report(
                "mixed_precision",
                "'mixed_precision: fp8' asks for something that Apus does not do", hint: "use bf16")
        }
    }

    fileprivate mutating func deepSpeed() {
        let block = "deepspeed_config"
        // A file of its own says everything; Accelerate refuses most of the rest beside it.
        if document["\(block).deepspeed_config_file"] != nil {
            return set("deepspeed", from: "\(block).deepspeed_config_file")
        }
        if let stage = document["\(block).zero_stage"], let number = stage.json.intValue {
            set("sharding", .string(Sharding.allCases[number].rawValue), stage.origin)
        } else {
            var origin = document["distributed_type"]?.origin ?? .standard
            origin.note = "Accelerate's default, stage 2"
            set("sharding", .string(Sharding.gradients.rawValue), origin)
        }
        set("gradient_accumulation_steps", from: "\(block).gradient_accumulation_steps")
        set("max_grad_norm", from: "\(block).gradient_clipping")
    }

    fileprivate mutating func fullyShardedData() {
        let block = "fsdp_config"
        set("gradient_checkpointing", from: "\(block).fsdp_activation_checkpointing")
        let strategy = document["\(block).fsdp_sharding_strategy"]
        let reshard = document["\(block).fsdp_reshard_after_forward"]
        let origin = strategy?.origin ?? reshard?.origin ?? document["distributed_type"]?.origin
        var name = strategy?.json.stringValue ?? "FULL_SHARD"
        // Version 2 says with one word whether parameters are kept between forward and backward.
        switch reshard?.json.stringValue {
        case "false"?: name = "SHARD_GRAD_OP"
        case let other? where other != "true": name = other
        default: break
        }
        let names: [String: Sharding] = [
            "FULL_SHARD": .parameters, "1": .parameters, "SHARD_GRAD_OP": .gradients,
            "2": .gradients, "NO_SHARD": .replicated, "3": .replicated,
            "HYBRID_SHARD": .parameters, "4": .parameters, "HYBRID_SHARD_ZERO2": .gradients,
            "5": .gradients,
        ]
        let stage = names[name] ?? .parameters
        set("sharding", .string(stage.rawValue), origin ?? .standard)
        if stage != .replicated { groups() }
    }

    /// Accelerate's mesh: groups that share one copy, times copies.
    private mutating func groups() {
        let prefix = "parallelism_config.parallelism_config"
        set("sharding_group_size", from: "\(prefix)_dp_shard_size")
        guard let copies = document.integer("\(prefix)_dp_replicate_size"),
            let ranks = document.integer("num_processes")
        else { return }
        let size = document.integer("\(prefix)_dp_shard_size") ?? 1
        if copies * size != ranks {
            report(
                "\(prefix)_dp_replicate_size",
                "\(copies) copies on groups of \(size) are not the \(ranks) of 'num_processes'",
                hint: "change one of the three")
        }
    }
}
