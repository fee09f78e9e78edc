/// Values that follow from others when nobody wrote them.
extension ResolvedRecipe {
    mutating func fillIn(_ machine: MachineFacts) {
        fillInPrecision(machine)
        if recipe.sharding.groupSize == nil, recipe.sharding.stage != .replicated {
            recipe.sharding.groupSize = recipe.launch.ranks
            derive("sharding_group_size", "= ranks")
        }
        if recipe.batch.evalBatchSize == nil {
            recipe.batch.evalBatchSize = recipe.batch.microBatchSize
            derive("eval_batch_size", "= micro_batch_size")
        }
        if recipe.data.padToSequenceLength == nil {
            recipe.data.padToSequenceLength = recipe.data.samplePacking
            derive("pad_to_sequence_len", "= sample_packing")
        }
        if recipe.launch.threadsPerRank == nil {
            let ranks = recipe.launch.ranks
            recipe.launch.threadsPerRank = max(1, machine.cores / ranks)
            derive("threads_per_rank", "= \(machine.cores) cores / ranks (\(ranks)), at least 1")
        }
        let holds8Bits = recipe.adapter.loadIn8Bit
        if recipe.adapter.kind == .qlora, !recipe.adapter.loadIn4Bit, !holds8Bits {
            recipe.adapter.loadIn4Bit = true
            derive("load_in_4bit", "adapter is qlora")
        }
        fillInCheckpoints()
        fillIn(\.datasets, "datasets")
        fillIn(\.testDatasets, "test_datasets")
    }

    private mutating func fillInCheckpoints() {
        let settings = recipe.checkpoints
        if settings.saveStrategy == nil {
            let hasInterval = settings.saveSteps != nil || settings.savesPerEpoch != nil
            recipe.checkpoints.saveStrategy = hasInterval ? .steps : .never
            derive("save_strategy", hasInterval ? "an interval is given" : "no interval is given")
        }
        guard settings.resume == nil else { return }
        if let path = settings.resumeFromCheckpoint {
            recipe.checkpoints.resume = path
            derive("resume", "= resume_from_checkpoint")
        } else if let isAuto = settings.autoResumeFromCheckpoints {
            recipe.checkpoints.resume = isAuto ? "auto" : "none"
            derive("resume", "auto_resume_from_checkpoints")
        } else {
            recipe.checkpoints.resume = "auto"
            derive("resume", "what was saved here is gone on with")
        }
    }

    private mutating func fillInPrecision(_ machine: MachineFacts) {
        guard recipe.model.bf16 == .auto else { return }
        let asked = origin(of: "bf16").text
        guard !recipe.model.fp16 else {
            recipe.model.bf16 = .off
            derive("bf16", "auto (\(asked)): fp16 is true")
            return
        }
        recipe.model.bf16 = machine.bfloat16 == nil ? .off : .on
        let reason =
            machine.bfloat16.map { "the machine has \($0)" }
            ?? "nothing here computes bf16 natively"
        derive("bf16", "auto (\(asked)): \(reason)")
    }

    private mutating func fillIn(
        _ location: WritableKeyPath<DataSettings, [DatasetSettings]>, _ name: String
    ) {
        for index in recipe.data[keyPath: location].indices {
            let dataset = recipe.data[keyPath: location][index]
            if dataset.fileType == nil, let type = Self.fileType(dataset.path) {
                recipe.data[keyPath: location][index].fileType = type
                derive("\(name).\(index).ds_type", "from the name of the file")
            }
            if dataset.sampleType == nil, recipe.data[keyPath: location][index].fileType == .text {
                recipe.data[keyPath: location][index].sampleType = .completion
                derive("\(name).\(index).type", "a text file holds text")
            }
        }
    }

    private static func fileType(_ path: String) -> DatasetFileType? {
        if isPattern(path) || isFolder(path) { return nil }
        let name = path.lowercased()
        if [".json", ".jsonl", ".ndjson"].contains(where: name.hasSuffix) { return .json }
        if name.hasSuffix(".csv") { return .csv }
        if name.hasSuffix(".parquet") { return .parquet }
        return [".txt", ".text", ".md"].contains(where: name.hasSuffix) ? .text : nil
    }

    private mutating func derive(_ path: String, _ formula: String) {
        origins[path] = Origin(.derived(formula))
    }
}
