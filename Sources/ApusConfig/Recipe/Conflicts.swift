/// Checks across keys. Each names the key to change.
extension ResolvedRecipe {
    func conflicts() -> [Problem] {
        let data = recipe.data
        var problems = precisionConflicts() + shardingConflicts() + scheduleConflicts()
        if !data.testDatasets.isEmpty, data.validationSetSize > 0 {
            problems.append(
                problem(
                    "val_set_size", "'test_datasets' and 'val_set_size' exclude each other",
                    "remove one"))
        }
        let size = data.validationSetSize
        if size > 1, size.rounded() != size {
            problems.append(
                problem(
                    "val_set_size",
                    "'val_set_size' is neither a share nor a number of samples: \(size)",
                    "a share is below 1; a number of samples is whole"))
        }
        let evaluation = recipe.evaluation
        if evaluation.evalSteps != nil, evaluation.evalsPerEpoch != nil {
            problems.append(
                problem(
                    "evals_per_epoch", "'eval_steps' and 'evals_per_epoch' exclude each other",
                    "remove one"))
        }
        problems += adapterConflicts() + checkpointConflicts() + templateConflicts()
        if data.datasets.isEmpty, origins["datasets"] != nil {
            problems.append(problem("datasets", "'datasets' is empty", "give at least one file"))
        }
        for (index, dataset) in data.datasets.enumerated() {
            problems += conflicts(of: dataset, "datasets.\(index)")
        }
        for (index, dataset) in data.testDatasets.enumerated() {
            problems += conflicts(of: dataset, "test_datasets.\(index)")
        }
        return problems
    }

    private func precisionConflicts() -> [Problem] {
        let model = recipe.model
        var problems: [Problem] = []
        if model.fp32, model.usesBFloat16 {
            problems.append(
                problem("fp32", "'fp32: true' and 'bf16' exclude each other", "remove one"))
        }
        if model.fp32, model.fp16 {
            problems.append(
                problem("fp32", "'fp32: true' and 'fp16' exclude each other", "remove one"))
        }
        if model.fp16, model.usesBFloat16 {
            problems.append(
                problem("fp16", "'fp16: true' and 'bf16' exclude each other", "remove one"))
        }
        if !model.fp16, model.lossScaling != LossScaling() {
            problems.append(
                problem(
                    "loss_scaling", "'loss_scaling' belongs to 'fp16: true'",
                    "remove it, or add 'fp16: true'"))
        }
        return problems
    }

    private func shardingConflicts() -> [Problem] {
        let ranks = recipe.launch.ranks
        guard let size = recipe.sharding.groupSize else { return [] }
        guard recipe.sharding.stage != .replicated else {
            return [
                problem(
                    "sharding_group_size",
                    "'sharding_group_size' without anything that is shared out",
                    "remove it, or say 'sharding: optimizer', 'gradients' or 'parameters'")
            ]
        }
        guard !ranks.isMultiple(of: size) else { return [] }
        return [
            problem(
                "sharding_group_size",
                "groups of \(size) ranks cannot be made of \(ranks) ranks",
                "'sharding_group_size' must divide 'ranks'")
        ]
    }

    private func scheduleConflicts() -> [Problem] {
        let schedule = recipe.schedule
        var problems: [Problem] = []
        if schedule.warmupSteps != nil, schedule.warmupRatio != nil {
            problems.append(
                problem(
                    "warmup_ratio", "'warmup_steps' and 'warmup_ratio' exclude each other",
                    "remove one"))
        }
        if schedule.cosineMinLRRatio != nil, schedule.name != .cosine {
            problems.append(
                problem(
                    "cosine_min_lr_ratio", "'cosine_min_lr_ratio' needs 'lr_scheduler: cosine'",
                    "remove it, or change lr_scheduler from \(schedule.name.rawValue)"))
        }
        let isStable = schedule.name == .warmupStableDecay
        if isStable, schedule.arguments.numDecaySteps == nil {
            problems.append(
                problem(
                    "lr_scheduler",
                    "'lr_scheduler: warmup_stable_decay' needs the length of its last phase",
                    "add lr_scheduler_kwargs: {num_decay_steps: N}"))
        }
        if !isStable, schedule.arguments != ScheduleArguments() {
            problems.append(
                problem(
                    "lr_scheduler_kwargs",
                    "'lr_scheduler_kwargs' belongs to 'lr_scheduler: warmup_stable_decay'",
                    "remove it, or change lr_scheduler from \(schedule.name.rawValue)"))
        }
        return problems
    }

    private func checkpointConflicts() -> [Problem] {
        let settings = recipe.checkpoints
        var problems: [Problem] = []
        if settings.saveSteps != nil, settings.savesPerEpoch != nil {
            problems.append(
                problem(
                    "saves_per_epoch", "'save_steps' and 'saves_per_epoch' exclude each other",
                    "remove one"))
        }
        let hasInterval = settings.saveSteps != nil || settings.savesPerEpoch != nil
        if settings.saveStrategy == .steps, !hasInterval {
            problems.append(
                problem(
                    "save_strategy", "'save_strategy: steps' needs an interval", "add save_steps"))
        }
        if let strategy = settings.saveStrategy, strategy != .steps, hasInterval {
            let key = settings.saveSteps != nil ? "save_steps" : "saves_per_epoch"
            problems.append(
                problem(
                    key, "'\(key)' needs 'save_strategy: steps', not \(strategy.rawValue)",
                    "remove one"))
        }
        let isFromPath = settings.resumeFromCheckpoint != nil
        let isTwice = isFromPath && settings.autoResumeFromCheckpoints == true
        let isOther = isFromPath && settings.resume != settings.resumeFromCheckpoint
        if isTwice || isOther {
            problems.append(
                problem(
                    "resume_from_checkpoint",
                    "'resume_from_checkpoint' contradicts another key that says how to resume",
                    "keep one of resume, resume_from_checkpoint, auto_resume_from_checkpoints"))
        }
        let savesNothing = (settings.saveStrategy ?? (hasInterval ? .steps : .never)) == .never
        if settings.loadBestModelAtEnd, savesNothing {
            problems.append(
                problem(
                    "load_best_model_at_end",
                    "'load_best_model_at_end' needs checkpoints to choose from, and none are saved",
                    "add 'save_strategy: best', or save_steps"))
        }
        let isByEvaluation =
            settings.saveStrategy == .best
            || (settings.loadBestModelAtEnd && settings.metricForBestModel == .evalLoss)
        let hasHeldOut = !recipe.data.testDatasets.isEmpty || recipe.data.validationSetSize > 0
        if isByEvaluation, !hasHeldOut {
            problems.append(
                problem(
                    settings.loadBestModelAtEnd ? "load_best_model_at_end" : "save_strategy",
                    "the best checkpoint is chosen by the held-out loss, and nothing is held out",
                    "add val_set_size or test_datasets"))
        }
        return problems
    }

    private func templateConflicts() -> [Problem] {
        let data = recipe.data
        let hasText = data.chatTemplateJinja != nil
        if data.chatTemplate == .jinja, !hasText {
            return [
                problem(
                    "chat_template", "'chat_template: jinja' without 'chat_template_jinja'",
                    "add chat_template_jinja with the template or its path")
            ]
        }
        if data.chatTemplate != .jinja, hasText {
            return [
                problem(
                    "chat_template_jinja", "'chat_template_jinja' needs 'chat_template: jinja'",
                    "add 'chat_template: jinja'")
            ]
        }
        return []
    }

    private func conflicts(of dataset: DatasetSettings, _ path: String) -> [Problem] {
        // What does not exist has been reported, and tells nothing by its name.
        guard pathLeadsSomewhere(dataset.path) else { return [] }
        var problems: [Problem] = []
        let isOneFile = !isPattern(dataset.path) && !isFolder(dataset.path)
        if dataset.fileType == nil, isOneFile {
            problems.append(
                problem(
                    "\(path).path",
                    "'\(dataset.path)' does not tell by its name how it stores samples",
                    "add ds_type: json (JSON Lines), text, csv or parquet"))
        } else if dataset.sampleType == nil {
            problems.append(
                problem(
                    "\(path).path", "'\(path).type' is missing",
                    "add type: chat_template (messages), completion (text), alpaca, "
                        + "prompt_completion or input_ids (tokens)"))
        }
        if dataset.fileType == .text, let type = dataset.sampleType, type != .completion {
            problems.append(
                problem(
                    "\(path).type", "'\(type.rawValue)' needs rows, and a text file has none",
                    "use type: completion, or ds_type: json"))
        }
        if dataset.split != "train" {
            problems.append(
                problem(
                    "\(path).split", "'\(path).split' must be 'train', not '\(dataset.split)'",
                    "a local file is one split; hold samples out with val_set_size"))
        }
        return problems
    }

    private func problem(_ path: String, _ message: String, _ hint: String) -> Problem {
        Problem(origin(of: path), path: path, message, hint: hint)
    }
}
