import ApusBase

/// From a DeepSpeed JSON to the settings of a recipe.
enum DeepSpeedTranslation {
    static let tool = "DeepSpeed"

    /// - recipe: what is written beside the file, for values that need it (batch sizes, precision)
    static func translate(
        _ entry: Entry, recipe: Entry, machine: MachineFacts
    ) -> Translation {
        var state = ReadingState()
        let document = ImportedDocument(
            entry.withStageOfOldForm, keys: DeepSpeedKeys.all, tool: tool, state: &state)
        var translation = Translation(document, tool: tool, problems: state.problems)
        translation.precision(recipe, machine)
        translation.sharding()
        translation.optimizer()
        translation.scheduler()
        translation.set("max_grad_norm", from: "gradient_clipping")
        translation.set("logging_steps", from: "steps_per_print")
        translation.batchSizes(recipe)
        translation.prefetch(recipe, machine)
        return translation
    }
}

extension Entry {
    /// `zero_optimization: true` once meant stage 1.
    fileprivate var withStageOfOldForm: Entry {
        guard case .mapping(var members) = content,
            let index = members.firstIndex(where: { $0.key == "zero_optimization" }),
            case .scalar(let scalar) = members[index].value.content,
            ["true", "false"].contains(scalar.text)
        else { return self }
        let origin = members[index].value.origin
        let stage = Entry(
            content: .scalar(.init(text: scalar.text == "true" ? "1" : "0", isQuoted: false)),
            origin: origin)
        members[index].value = Entry(
            content: .mapping([Member(key: "stage", keyOrigin: origin, value: stage)]),
            origin: origin)
        return Entry(content: .mapping(members), origin: self.origin)
    }
}

extension Translation {
    fileprivate mutating func precision(_ recipe: Entry, _ machine: MachineFacts) {
        set("bf16", from: "bf16.enabled")
        set("fp16", from: "fp16.enabled")
        if document.isTrue("fp16.enabled"), document.isTrue("bf16.enabled") {
            report(
                "bf16.enabled", "'bf16.enabled' and 'fp16.enabled' exclude each other",
                hint: "set one of them to false")
        }
        set("reduction_dtype", from: "communication_data_type")
        let scaling = [
            "loss_scale", "initial_scale_power", "loss_scale_window", "hysteresis",
            "consecutive_hysteresis", "min_loss_scale",
        ]
        // Files carry these beside "enabled": false or "auto".
        let isScaled = isOn("fp16", recipe, machine)
        for name in scaling where document["fp16.\(name)"] != nil {
            if isScaled {
                set("loss_scaling.\(name)", from: "fp16.\(name)")
            } else {
                note("fp16.\(name)", "fp16 is off")
            }
        }
    }

    fileprivate mutating func sharding() {
        guard let stage = document["zero_optimization.stage"], let number = stage.json.intValue
        else { return }
        set("sharding", .string(Sharding.allCases[number].rawValue), stage.origin)
    }

    fileprivate mutating func optimizer() {
        guard let type = document["optimizer.type"], let name = type.json.stringValue else {
            return optimizerParameters()
        }
        let known = [
            "Adam": "adamw", "AdamW": "adamw", "Lion": "lion", "SGD": "sgd",
            "Adafactor": "adafactor",
        ]
        guard let recipeName = known[name] else {
            report(
                "optimizer.type", "'optimizer.type: \(name)': there is no such optimizer here",
                hint: "use AdamW, Lion, SGD or Adafactor")
            return
        }
        if name == "Adam" { note("optimizer.type", "DeepSpeed's Adam is AdamW, and so it is here") }
        set("optimizer", .string(recipeName), type.origin)
        optimizerParameters()
    }

    private mutating func optimizerParameters() {
        let prefix = "optimizer.params"
        set("learning_rate", from: "\(prefix).lr")
        set("adam_epsilon", from: "\(prefix).eps")
        set("weight_decay", from: "\(prefix).weight_decay")
        if let origin = document.automatic["\(prefix).betas"] {
            leave("adam_beta1", origin)
            leave("adam_beta2", origin)
        }
        guard let betas = document["\(prefix).betas"], let values = betas.json.arrayValue else {
            return
        }
        guard values.count == 2 else {
            return report(
                "\(prefix).betas", "'betas' has \(values.count) numbers", hint: "write two")
        }
        set("adam_beta1", values[0], betas.origin)
        set("adam_beta2", values[1], betas.origin)
    }

    // MARK: The schedule

    fileprivate mutating func scheduler() {
        guard let type = document["scheduler.type"], let name = type.json.stringValue else {
            return
        }
        let known = [
            "WarmupLR": "constant_with_warmup", "WarmupDecayLR": "linear",
            "WarmupCosineLR": "cosine",
        ]
        guard let recipeName = known[name] else {
            return report(
                "scheduler.type", "'scheduler.type: \(name)': there is no such schedule here",
                hint: "use WarmupLR, WarmupDecayLR or WarmupCosineLR")
        }
        set("lr_scheduler", .string(recipeName), type.origin)
        warmup(type.origin)
        let prefix = "scheduler.params"
        if name == "WarmupCosineLR" {
            setOrDefault("cosine_min_lr_ratio", "\(prefix).cos_min_ratio", 1e-4, type.origin)
        }
        if name != "WarmupLR" { set("max_steps", from: "\(prefix).total_num_steps") }
        for unused in ["warmup_min_lr", "warmup_min_ratio"] {
            if let value = document.number("\(prefix).\(unused)"), value != 0 {
                report(
                    "\(prefix).\(unused)",
                    "'\(prefix).\(unused): \(value)': a warm-up begins at 0 here",
                    hint: "set it to 0, or remove it")
            }
        }
    }

    private mutating func warmup(_ scheduler: Origin) {
        let prefix = "scheduler.params"
        set("learning_rate", from: "\(prefix).warmup_max_lr")
        if document.automatic["\(prefix).warmup_num_steps"] != nil {
            set("warmup_steps", from: "\(prefix).warmup_num_steps")
        } else {
            setOrDefault("warmup_steps", "\(prefix).warmup_num_steps", 1000, scheduler)
        }
        setOrDefault("warmup_type", "\(prefix).warmup_type", "log", scheduler)
    }

    /// The value at `path`, or what DeepSpeed takes where it is not written.
    private mutating func setOrDefault(
        _ key: String, _ path: String, _ standard: JSON, _ origin: Origin
    ) {
        if document[path] != nil || document.automatic[path] != nil {
            set(key, from: path)
        } else {
            var origin = origin
            origin.note = "DeepSpeed's default"
            set(key, standard, origin)
        }
    }

    // MARK: What depends on the recipe

    /// train_batch_size = micro-batch x accumulation x ranks: checked, or solved for what is left
    /// out.
    fileprivate mutating func batchSizes(_ recipe: Entry) {
        set("micro_batch_size", from: "train_micro_batch_size_per_gpu")
        set("gradient_accumulation_steps", from: "gradient_accumulation_steps")
        guard let total = document["train_batch_size"], let all = total.json.intValue else {
            return
        }
        let ranks = given("ranks", recipe) ?? 1
        let micro = given("micro_batch_size", recipe)
        let steps = given("gradient_accumulation_steps", recipe)
        let name = "train_batch_size \(all)"
        switch (micro, steps) {
        case (let micro?, let steps?):
            guard micro * steps * ranks != all else { return }
            report(
                "train_batch_size",
                "'train_batch_size' \(all) is not micro_batch_size \(micro) x "
                    + "gradient_accumulation_steps \(steps) x ranks \(ranks)",
                hint: "set it to \(micro * steps * ranks), or to \"auto\"")
        case (let micro?, nil):
            solve("gradient_accumulation_steps", total, all, micro * ranks, name)
        case (nil, let steps?):
            solve("micro_batch_size", total, all, steps * ranks, name)
        case (nil, nil):
            solve("micro_batch_size", total, all, ranks, name)
        }
    }

    private mutating func solve(
        _ key: String, _ total: ImportedDocument.Value, _ all: Int, _ divisor: Int, _ name: String
    ) {
        guard divisor > 0, all.isMultiple(of: divisor) else {
            return report(
                "train_batch_size",
                "'train_batch_size' \(all) does not divide by \(divisor), the sequences of all "
                    + "ranks for each of '\(key)'",
                hint: "change it, or the number of ranks")
        }
        let formula = "= \(name) (\(total.origin.text)) / \(divisor)"
        set(key, .integer(all / divisor), Origin(.derived(formula)))
    }

    /// An integer that the other file or the recipe gives; the recipe's wins, since a conflict is
    /// reported elsewhere.
    private func given(_ key: String, _ recipe: Entry) -> Int? {
        if let entry = recipe.value(at: [key]), !entry.isNull { return Int(entry.written) }
        return settings.last { $0.key == key }?.value.intValue
    }

    /// Elements become bytes of the dtype that the run computes with.
    fileprivate mutating func prefetch(_ recipe: Entry, _ machine: MachineFacts) {
        let path = "zero_optimization.stage3_prefetch_bucket_size"
        if let origin = document.automatic[path] { leave("gather_prefetch_bytes", origin) }
        guard let value = document[path], let elements = value.json.intValue else { return }
        guard document.integer("zero_optimization.stage") == 3 else {
            return note(path, "parameters are not sharded below stage 3")
        }
        let isHalf = isOn("bf16", recipe, machine) || isOn("fp16", recipe, machine)
        let (bytes, overflows) = elements.multipliedReportingOverflow(by: isHalf ? 2 : 4)
        var origin = value.origin
        origin.note = "\(elements) elements of \(isHalf ? 2 : 4) bytes"
        set("gather_prefetch_bytes", .integer(overflows ? .max : bytes), origin)
    }

    private func isOn(_ key: String, _ recipe: Entry, _ machine: MachineFacts) -> Bool {
        let written = recipe.value(at: [key]).map { $0.isNull ? "" : $0.written.lowercased() }
        switch written ?? "" {
        case "true", "yes", "on": return true
        case "auto": return machine.bfloat16 != nil
        case "": return settings.contains { $0.key == key && $0.value == true }
        default: return false
        }
    }
}
