extension ResolvedRecipe {
    func adapterConflicts() -> [Problem] {
        let adapter = recipe.adapter
        guard let kind = adapter.kind else { return withoutAdapter() }
        var problems: [Problem] = []
        func report(_ path: String, _ message: String, _ hint: String) {
            problems.append(Problem(origin(of: path), path: path, message, hint: hint))
        }
        if adapter.loadIn4Bit, adapter.loadIn8Bit {
            report(
                "load_in_8bit", "'load_in_4bit' and 'load_in_8bit' exclude each other",
                "remove one")
        }
        if kind == .qlora, adapter.loadIn8Bit {
            report("load_in_8bit", "'adapter: qlora' is in 4 bits", "say 'adapter: lora'")
        }
        if recipe.model.reinitWeights {
            report(
                "reinit_weights", "an adapter needs weights to stand beside",
                "remove 'adapter' or 'reinit_weights'")
        }
        if origins["loraplus_lr_embedding"] != nil, adapter.plusRatio == nil {
            report(
                "loraplus_lr_embedding", "'loraplus_lr_embedding' without 'loraplus_lr_ratio'",
                "add 'loraplus_lr_ratio', or remove it")
        }
        if adapter.peft.loftQ.bits != nil, origins["peft_init_lora_weights"] != nil,
            adapter.initialization != .loftq
        {
            report(
                "peft_init_lora_weights", "'loftq_config' is a beginning of its own",
                "remove 'peft_init_lora_weights' or 'loftq_config'")
        }
        problems += beginningConflicts()
        guard adapter.modelDirectory == nil else { return problems }
        if adapter.rank == nil {
            report("lora_r", "'lora_r' is missing", "8 to 64 are usual; lora_alpha twice as much")
        }
        if adapter.alpha == nil {
            report("lora_alpha", "'lora_alpha' is missing", "lora_r or twice as much is usual")
        }
        if adapter.targetLinear, !adapter.targetModules.isEmpty {
            report(
                "lora_target_linear",
                "'lora_target_linear' and 'lora_target_modules' exclude each other", "remove one")
        }
        return problems
    }

    /// Of beginnings by data.
    private func beginningConflicts() -> [Problem] {
        let adapter = recipe.adapter
        let word = adapter.initialization.rawValue
        let begin = "peft_init_lora_weights"
        var problems: [Problem] = []
        func report(_ path: String, _ message: String, _ hint: String) {
            problems.append(Problem(origin(of: path), path: path, message, hint: hint))
        }
        let tables: [(AdapterInitialization, String, Bool)] = [
            (.eva, "eva_config", adapter.peft.eva != EVASettings()),
            (.corda, "corda_config", adapter.peft.corda != CorDASettings()),
            (.loraGA, "lora_ga_config", adapter.peft.loraGA != LoRAGASettings()),
        ]
        for (beginning, name, isSet) in tables where isSet && adapter.initialization != beginning {
            report(
                "peft.\(name)", "'\(name)' without '\(begin): \(beginning.rawValue)'",
                "add that, or remove '\(name)'")
        }
        let isByData = tables.contains { $0.0 == adapter.initialization }
        if adapter.beginningSteps != nil, !isByData {
            report(
                "peft_init_steps", "'\(begin): \(word)' looks at no data",
                "remove 'peft_init_steps', or begin by eva, corda or lora_ga")
        }
        guard isByData else { return problems }
        if adapter.modelDirectory != nil {
            report(
                begin, "the adapter of 'lora_model_dir' has begun already",
                "remove '\(begin)' or 'lora_model_dir'")
        }
        if adapter.initialization != .eva, adapter.loadIn4Bit || adapter.loadIn8Bit {
            report(
                begin, "'\(word)' takes the matrices out of weights that are held in few bits",
                "begin by eva, pissa or loftq, or say 'adapter: lora' without 'load_in_...'")
        }
        if !adapter.targetParameters.isEmpty {
            report(
                begin, "'\(word)' does not go with 'lora_target_parameters'", "remove one of both")
        }
        return problems
    }

    /// Settings that would be ignored.
    private func withoutAdapter() -> [Problem] {
        let names = RecipeKeys.adapter.map(\.name).dropFirst()
        let off = AdapterSettings()
        guard recipe.adapter != off else { return [] }
        let given = names.filter { origins[$0] != nil }
        return given.prefix(1).map { name in
            Problem(
                origin(of: name), path: name, "'\(name)' without 'adapter'",
                hint: "add 'adapter: lora' or 'adapter: qlora', or remove it")
        }
    }
}
