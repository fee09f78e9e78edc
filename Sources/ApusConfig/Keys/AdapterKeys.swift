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
            "lora_target_parameters", \.adapter.targetParameters, .oneOrMore,
            "Joined matrices of experts that get an adapter: mlp.experts.gate_up_proj."),
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
            "peft_layer_replication", \.adapter.layerReplication, .list(of: .layerRange),
            "Layers that stand after one another: [[0, 12], [8, 16]] uses some twice."),
        Key(
            "peft_init_lora_weights", \.adapter.initialization, .choice(),
            "How the matrices begin; pissa_niter_N takes any N."),
        Key(
            "peft_init_steps", \.adapter.beginningSteps, .optional(.atLeast(1)),
            "How many steps' data eva (usually at most 64), corda (32) and lora_ga (8) see."),
        Key(
            "peft", \.adapter.peft, .table(peft, standard: PEFTSettings()),
            "More about how the matrices begin."),
        Key(
            "peft_trainable_token_indices", \.adapter.trainedRows, .tokenRows,
            "Rows of the embedding, or of named tables, that are trained alone."),
        Key(
            "peft_ensure_weight_tying", \.adapter.tiesWeights, .boolean,
            "A head that is the embedding stays so, whatever is trained of one of both."),
        Key(
            "loraplus_lr_ratio", \.adapter.plusRatio, .optional(.positive),
            "LoRA+: the second matrices and vectors learn faster by this; 16 is usual."),
        Key(
            "loraplus_lr_embedding", \.adapter.plusEmbeddingRate, .positive,
            "LoRA+: the learning rate of the matrices beside an embedding."),
    ]

    private static let peft: [Key<PEFTSettings>] = [
        Key(
            "loftq_config", \.loftQ, .table(loftQ, standard: LoftQSettings()),
            "Quantize the weights, and let the matrices begin as what that loses."),
        Key(
            "eva_config", \.eva, .table(eva, standard: EVASettings()),
            "Details of eva, which begins along the inputs of the layers."),
        Key(
            "corda_config", \.corda, .table(corda, standard: CorDASettings()),
            "Details of corda, which begins by the weights and their inputs."),
        Key(
            "lora_ga_config", \.loraGA, .table(loraGA, standard: LoRAGASettings()),
            "Details of lora_ga, which begins along the gradients of the weights."),
    ]

    private static let loftQ: [Key<LoftQSettings>] = [
        Key(
            "loftq_bits", \.bits, .optional(.choice()),
            "The bits of a weight, and with them this beginning; 4 is NF4."),
        Key(
            "loftq_iter", \.iterations, .atLeast(1),
            "How often weights and matrices are fitted to each other."),
    ]

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

extension ValueKind where Value == [Int] {
    /// A first layer and the one after the last.
    static var layerRange: ValueKind {
        let list = ValueKind.list(of: .atLeast(0))
        let allowed = "a first layer and the one after the last"
        var result = ValueKind(allowed) { entry, state in
            guard case .list(let elements) = entry.content, elements.count == 2 else {
                state.reject(entry, allowed: allowed)
                return nil
            }
            guard let ends = list.parse(entry, &state), ends.count == 2 else { return nil }
            if ends[0] < ends[1] { return ends }
            state.reject(entry, allowed: allowed)
            return nil
        } json: {
            list.json($0)
        }
        result.isList = true
        return result
    }
}

extension ValueKind where Value == TrainedTokenRows {
    /// A list of token ids, or such lists by the names of tables.
    static var tokenRows: ValueKind {
        let ids = ValueKind<[Int]>.list(of: .atLeast(0))
        let tables = ValueKind<[String: [Int]]>.map(of: ids)
        var result = ValueKind("a list of token ids, or a mapping of tables to such lists") {
            entry, state in
            guard case .mapping = entry.content else {
                return ids.parse(entry, &state).map { .tokens($0) }
            }
            return tables.parse(entry, &state).map { .tables($0) }
        } json: { rows in
            switch rows {
            case .tokens(let list): ids.json(list)
            case .tables(let named): tables.json(named)
            }
        }
        result.isList = true
        return result
    }
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
