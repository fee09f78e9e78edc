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
