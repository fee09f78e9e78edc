extension RecipeKeys {
    static let adapter: [Key<Recipe>] = [
        Key(
            "adapter", \.adapter.kind, .optional(.choice()),
            "Train small matrices beside frozen weights; qlora holds these in 4 bits."),
        Key(
            "load_in_4bit", \.adapter.loadIn4Bit, .boolean,
            "Hold the frozen weights of linear layers as NF4; filled in for qlora."),
        Key(
            "load_in_8bit", \.adapter.loadIn8Bit, .boolean,
            "Hold the frozen weights of linear layers in 8 bits."),
        Key(
            "bnb_config_kwargs", \.adapter.quantization,
            .table(quantization, standard: QuantizationSettings()), "Details of the 4 bits."),
        Key(
            "lora_model_dir", \.adapter.modelDirectory, .optional(.text("a path")),
            "An adapter folder whose training goes on; it tells rank and targets."),
        Key("lora_r", \.adapter.rank, .optional(.atLeast(1)), "The rank of the matrices."),
        Key(
            "lora_alpha", \.adapter.alpha, .optional(.positive),
            "Their product is scaled by this over lora_r."),
        Key("lora_dropout", \.adapter.dropout, .fraction, "Dropout of the adapter's input."),
        Key(
            "lora_target_modules", \.adapter.targetModules, .oneOrMore,
            "Layers that get an adapter: names, or one regular expression over whole paths."),
        Key(
            "lora_target_linear", \.adapter.targetLinear, .boolean,
            "Adapt every linear layer but the output head."),
        Key(
            "lora_exclude_modules", \.adapter.excludeModules, .oneOrMore,
            "Layers that get none, though they are targets."),
        Key(
            "lora_modules_to_save", \.adapter.modulesToSave, .oneOrMore,
            "Modules that are trained and stored whole, such as embed_tokens."),
        Key(
            "lora_bias", \.adapter.biases, .choice(),
            "Biases of the model that are trained too."),
        Key(
            "lora_rank_pattern", \.adapter.rankPattern, .map(of: .atLeast(1)),
            "Other ranks for layers whose paths end in a pattern."),
        Key(
            "lora_alpha_pattern", \.adapter.alphaPattern, .map(of: .positive),
            "Other alphas for layers whose paths end in a pattern."),
        Key(
            "peft_use_dora", \.adapter.usesDoRA, .boolean,
            "DoRA: the lengths of the weight's rows are trained apart from their directions."),
        Key(
            "peft_use_rslora", \.adapter.usesRankStabilizedScale, .boolean,
            "Scale by lora_alpha over the root of lora_r."),
        Key(
            "peft_layers_to_transform", \.adapter.layersToTransform, .list(of: .atLeast(0)),
            "Only layers with these numbers; none named: all."),
        Key(
            "peft_init_lora_weights", \.adapter.initialization, .choice(notYet: beginningsToCome),
            "How the matrices begin; all but 'false' leave the model unchanged."),
        Key(
            "loraplus_lr_ratio", \.adapter.plusRatio, .optional(.positive),
            "LoRA+: the second matrices and vectors learn faster by this; 16 is usual."),
        Key(
            "loraplus_lr_embedding", \.adapter.plusEmbeddingRate, .positive,
            "LoRA+: the learning rate of the matrices beside an embedding."),
    ]

    private static let beginningsToCome = Dictionary(
        uniqueKeysWithValues: ["eva", "corda", "loftq", "lora_ga", "mica"].map {
            ($0, "there is no such beginning here")
        })

    private static let quantization: [Key<QuantizationSettings>] = [
        Key(
            "bnb_4bit_use_double_quant", \.usesDoubleQuantization, .boolean,
            "Hold the blocks' scales in 8 bits."),
        Key(
            "bnb_4bit_quant_type", \.type,
            .choice(notYet: ["fp4": "nf4 loses less of weights that are normally distributed"]),
            "The 16 numbers that 4 bits can be."),
    ]
}

extension ValueKind where Value == [String] {
    /// A list of texts, or a single one.
    static var oneOrMore: ValueKind {
        let many = ValueKind.list(of: .text())
        var result = ValueKind("a name or a list of names") { entry, state in
            guard case .scalar = entry.content, !entry.isNull else {
                return many.parse(entry, &state)
            }
            return ValueKind<String>.text().parse(entry, &state).map { [$0] }
        } json: {
            many.json($0)
        }
        result.isList = true
        return result
    }
}
