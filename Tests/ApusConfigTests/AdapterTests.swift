import ApusConfig
import Testing

/// What recipes say of adapters in more than a word or a number.
@Suite struct AdapterRecipeTests {
    private let lora = minimal + "adapter: lora\nlora_r: 8\nlora_alpha: 16\n"

    private func adapter(_ set: String...) throws -> AdapterSettings {
        try load(lora, set: set).recipe.adapter
    }

    @Test func beginnings() throws {
        #expect(try adapter().initialization == .standard)
        #expect(
            try adapter("peft_init_lora_weights=pissa_niter_4").initialization
                == .fastPissa(iterations: 4))
        #expect(try adapter("peft_init_lora_weights=loftq").initialization == .loftq)
        let loftQ = try adapter("peft.loftq_config.loftq_bits=8").peft.loftQ
        #expect(loftQ.bits == .eight && loftQ.iterations == 1)
        #expect(try adapter().peft.loftQ.bits == nil)
        for word in ["pissa_niter_", "pissa_niter_-1", "kaiming"] {
            let message = refusal(lora, set: ["peft_init_lora_weights=\(word)"])
            #expect(message.contains("'peft_init_lora_weights' must be one of"))
        }
        let both = ["peft_init_lora_weights=pissa", "peft.loftq_config.loftq_bits=4"]
        #expect(refusal(lora, set: both).contains("a beginning of its own"))
    }

    @Test func beginningsByData() throws {
        let eva = try adapter("peft_init_lora_weights=eva", "peft.eva_config.rho=1.5")
        #expect(eva.initialization == .eva && eva.peft.eva.rho == 1.5)
        let corda = try adapter(
            "peft_init_lora_weights=corda", "peft.corda_config.corda_method=kpm")
        #expect(corda.initialization == .corda && corda.peft.corda.method == .kpm)
        let loraGA = try adapter(
            "peft_init_lora_weights=lora_ga", "peft.lora_ga_config.scale=gd_scale",
            "peft_init_steps=3")
        #expect(loraGA.initialization == .loraGA && loraGA.peft.loraGA.scale == .descent)
        #expect(loraGA.beginningSteps == 3)
        for (set, reason) in [
            (["peft.eva_config.rho=2.5"], "'eva_config' without 'peft_init_lora_weights: eva'"),
            (["peft_init_steps=3"], "looks at no data"),
            (["peft_init_lora_weights=eva", "lora_model_dir=x"], "has begun already"),
            (["peft_init_lora_weights=corda", "load_in_8bit=true"], "held in few bits"),
            (["peft_init_lora_weights=lora_ga", "adapter=qlora"], "held in few bits"),
            (["peft_init_lora_weights=eva", "lora_target_parameters=[x]"], "does not go with"),
            (["peft_init_lora_weights=eva", "peft.eva_config.tau=2"], "a number from 0 to 1"),
            (["peft_init_lora_weights=eva", "peft.eva_config.rho=0.5"], "a number of at least 1"),
            (["peft.lora_ga_config.gamma=2"], "gamma"),
        ] {
            let message = refusal(lora, set: set)
            #expect(message.contains(reason), "\(message)")
        }
    }

    @Test func rowsOfTables() throws {
        #expect(
            try adapter("peft_trainable_token_indices=[5, 9]").trainedRows == .tokens([5, 9]))
        #expect(
            try adapter("peft_trainable_token_indices={lm_head: [7]}").trainedRows
                == .tables(["lm_head": [7]]))
        let message = refusal(lora, set: ["peft_trainable_token_indices=[-1]"])
        #expect(message.contains("peft_trainable_token_indices"))
    }

    @Test func layersUsedTwice() throws {
        #expect(
            try adapter("peft_layer_replication=[[0, 4], [2, 5]]").layerReplication
                == [[0, 4], [2, 5]])
        for text in ["[[4, 4]]", "[[1]]", "[3]"] {
            let message = refusal(lora, set: ["peft_layer_replication=\(text)"])
            #expect(message.contains("a first layer and the one after the last"))
        }
    }

    @Test func learningRates() throws {
        let settings = try adapter("loraplus_lr_ratio=16")
        #expect(settings.plusRatio == 16 && settings.plusEmbeddingRate == 1e-6)
        let message = refusal(lora, set: ["loraplus_lr_embedding=1e-5"])
        #expect(message.contains("without 'loraplus_lr_ratio'"))
    }
}
