import ApusBase
import ApusConfig
import Testing

/// DeepSpeed JSONs and Accelerate YAMLs by themselves.
@Suite struct ForeignFileTests {
    @Test(arguments: [
        ("zero0-minimal.json", ["micro_batch_size: 8", "learning_rate: 0.001", "adam_beta1: 0.8"]),
        (
            "zero1-fp16.json",
            [
                "fp16: true", "initial_scale_power: 12", "loss_scale_window: 500",
                "sharding: optimizer", "gradient_accumulation_steps: 4", "max_grad_norm: 0.5",
                "lr_scheduler: constant_with_warmup", "warmup_steps: 500", "warmup_type: log",
            ]
        ),
        ("zero2-auto.json", ["sharding: gradients", "optimizer: adamw", "logging_steps: 2000"]),
        ("zero3-auto.json", ["sharding: parameters", "# gather_prefetch_bytes: \"auto\""]),
        (
            "zero3-bf16.json",
            [
                "bf16: true", "sharding: parameters", "gather_prefetch_bytes: 1061682",
                "lr_scheduler: cosine", "cosine_min_lr_ratio: 0.1", "warmup_type: linear",
                "max_steps: 1000", "reduction_dtype: fp32",
            ]
        ),
        ("zero3-old-names.json", ["bf16: true", "gather_prefetch_bytes: 100000000"]),
        (
            "warmup-decay.json",
            ["lr_scheduler: linear", "max_steps: 2000", "micro_batch_size: 8", "fp16: false"]
        ),
        ("everything.json", ["optimizer: lion", "max_grad_norm: 0.0", "reduction_dtype: bf16"]),
        (
            "accelerate-fsdp2.yaml",
            [
                "gradient_checkpointing: true", "bf16: true", "sharding: parameters",
                "sharding_group_size: 2", "ranks: 4",
            ]
        ),
        (
            "accelerate-zero3.yaml",
            ["sharding: parameters", "gradient_accumulation_steps: 4", "max_grad_norm: 0.7"]
        ),
        ("accelerate-file.yaml", ["ranks: 4", "micro_batch_size: 2", "sharding: gradients"]),
    ])
    func becomeSettings(_ file: String, _ lines: [String]) throws {
        let foreign = try #require(try fixture(file))
        let text = RecipeText.text(of: foreign)
        for line in lines {
            #expect(text.split(separator: "\n").contains { $0.hasTrimmedPrefix(line) }, "\(line)")
        }
    }

    /// What convert prints is a recipe that means the same.
    @Test(arguments: ["zero1-fp16.json", "zero3-bf16.json", "everything.json", "warmup-decay.json"])
    func convertedFilesAreRecipes(_ file: String) throws {
        let text = RecipeText.text(of: try #require(try fixture(file)))
        let rest = "base_model: /dev/null\ndatasets: [{path: /dev/null, ds_type: text}]\n"
        let written = try load(rest + text).recipe
        var referred = try load(rest + "deepspeed: \(fixtureFolder)/\(file)\n").recipe
        referred.sharding.deepSpeedFile = nil
        #expect(written == referred)
    }

    @Test(arguments: [
        ("misspelt.json", ["'gradient_cliping'", "did you mean 'gradient_clipping'?"]),
        ("misspelt.json", [":4:40: unknown key 'reduce_bucket_sise' in 'zero_optimization'"]),
        ("misspelt.json", ["unknown key 'beta'", "did you mean 'betas'?"]),
        (
            "offload-cpu.json",
            ["'zero_optimization.offload_optimizer.device: cpu' asks for", "nothing is offloaded"]
        ),
        ("offload-nvme.json", [":5:38: 'zero_optimization.offload_param.device: nvme'"]),
        (
            "zeropp.json",
            [
                "'zero_optimization.zero_quantized_weights: true'",
                "'zero_optimization.zero_hpz_partition_size: 8'",
                "'zero_optimization.zero_quantized_gradients: true'",
            ]
        ),
    ])
    func whatCannotBeHadIsNamed(_ file: String, _ parts: [String]) {
        let message = refusal(ofFile: file)
        for part in parts { #expect(message.contains(part), "\(message)") }
    }

    @Test func everyKeyThatDeepSpeedHasIsKnown() throws {
        let foreign = try #require(try fixture("deepspeed-defaults.json"))
        #expect(foreign.tool == "DeepSpeed")
        #expect(foreign.notes.count > 60)
    }

    @Test func nothingIsIgnoredSilently() throws {
        let foreign = try #require(try fixture("everything.json"))
        let reasons = Dictionary(
            foreign.notes.map { ($0.path, $0.reason) }, uniquingKeysWith: { first, _ in first })
        #expect(
            reasons["zero_optimization.contiguous_gradients"] == "gradients always lie end to end")
        #expect(reasons["wandb"] == "off")
        let text = foreign.explanation
        #expect(text.contains("zero_optimization.reduce_scatter"))
        #expect(foreign.notes.allSatisfy { !$0.reason.isEmpty })
    }

    @Test func recipesAreNoForeignFiles() throws {
        let example = packageRoot + "/Examples/smollm2-sft.yaml"
        #expect(try ForeignConfiguration.load(path: example, machine: machine) == nil)
    }

    @Test func ranksChangeTheBatchThatIsLeft() throws {
        let ranks = Override(flag: "--ranks", 2, sets: "ranks")
        let foreign = try ForeignConfiguration.load(
            path: fixtureFolder + "/warmup-decay.json", overrides: [ranks], machine: machine)
        let micro = try #require(foreign?.settings.first { $0.key == "micro_batch_size" })
        #expect(micro.value == 4)
        #expect(micro.origin.text.hasPrefix("= train_batch_size 64 ("))
    }

    private func fixture(_ file: String) throws -> ForeignConfiguration? {
        try ForeignConfiguration.load(path: fixtureFolder + "/" + file, machine: machine)
    }

    private func refusal(ofFile file: String) -> String {
        do {
            _ = try fixture(file)
            return ""
        } catch {
            return "\(error)"
        }
    }
}

/// A recipe with `deepspeed: FILE.json`.
@Suite struct DeepSpeedRecipeTests {
    private let base = "base_model: /dev/null\ndatasets: [{path: /dev/null, ds_type: text}]\n"

    private func recipe(_ file: String, _ more: String = "") -> String {
        base + "deepspeed: \(fixtureFolder)/\(file)\n" + more
    }

    @Test func theFileSpeaksForTheRecipe() throws {
        let resolved = try load(recipe("zero3-bf16.json"))
        #expect(resolved.recipe.sharding.stage == .parameters)
        #expect(resolved.recipe.optimizer.learningRate == 2e-4)
        #expect(resolved.recipe.batch.gradientAccumulationSteps == 8)
        #expect(resolved.origin(of: "sharding").text.hasSuffix("zero3-bf16.json:4"))
        #expect(resolved.explanation.contains("Without effect here"))
        #expect(resolved.importNotes.contains { $0.path == "zero_optimization.overlap_comm" })
    }

    @Test func autoLeavesItToTheRecipeAndSaysSo() throws {
        let resolved = try load(recipe("zero2-auto.json", "learning_rate: 3e-4\nwarmup_steps: 7\n"))
        #expect(resolved.recipe.optimizer.learningRate == 3e-4)
        #expect(resolved.recipe.schedule.warmupSteps == 7)
        let origin = resolved.origin(of: "learning_rate").text
        #expect(origin.hasPrefix("auto (") && origin.hasSuffix("r.yaml:4"), "\(origin)")
        #expect(resolved.origin(of: "weight_decay").text.hasSuffix("default"))
    }

    @Test func lossScalesOfAutomaticFP16NeedFP16() throws {
        let text = recipe("zero2-auto.json", "learning_rate: 3e-4\nfp16: true\n")
        let resolved = try load(text)
        #expect(resolved.recipe.model.fp16)
        #expect(resolved.origin(of: "loss_scaling.loss_scale_window").text.contains("auto.json:5"))
    }

    @Test(arguments: [
        ("learning_rate: 1e-3", "'learning_rate' is 1e-3 here and 0.0002 ("),
        ("sharding: gradients", "'sharding' is gradients here and parameters ("),
        ("bf16: false", "'bf16' is false here and true ("),
        ("optimizer: lion", "'optimizer' is lion here and adamw ("),
        ("adam_beta2: 0.999", "'adam_beta2' is 0.999 here and 0.95 ("),
    ])
    func conflictsNameBothOrigins(_ line: String, _ expected: String) {
        let message = refusal(recipe("zero3-bf16.json", line + "\n"))
        #expect(message.contains("r.yaml:4:"), "\(message)")
        #expect(message.contains(expected), "\(message)")
        #expect(message.contains("zero3-bf16.json:"))
    }

    @Test func theSameValueTwiceIsNoConflict() throws {
        let same = "learning_rate: 0.0002\noptimizer: adamw_torch\nbf16: yes\nmax_grad_norm: 1\n"
        _ = try load(recipe("zero3-bf16.json", same))
    }

    @Test func theCommandLineIsAboveBoth() throws {
        let set = ["sharding=gradients", "learning_rate=1e-3"]
        let recipe = try load(recipe("zero3-bf16.json"), set: set).recipe
        #expect(recipe.sharding.stage == .gradients)
        #expect(recipe.optimizer.learningRate == 1e-3)
    }

    @Test(arguments: [
        ("", 4, 4), ("ranks: 2\n", 4, 2), ("gradient_accumulation_steps: 4\n", 4, 4),
    ])
    func theBatchTriangleIsSolved(_ lines: String, _ micro: Int, _ steps: Int) throws {
        let batch = try load(recipe("zero1-fp16.json", lines)).recipe.batch
        #expect(batch.microBatchSize == micro)
        #expect(batch.gradientAccumulationSteps == steps)
    }

    @Test(arguments: [
        (
            "gradient_accumulation_steps: 3\n",
            "'train_batch_size' 16 is not micro_batch_size 4 x gradient_accumulation_steps 3 x "
                + "ranks 1"
        ),
        ("ranks: 3\n", "'train_batch_size' 16 does not divide by 12"),
    ])
    func theBatchTriangleIsChecked(_ lines: String, _ expected: String) {
        let message = refusal(recipe("zero1-fp16.json", lines))
        #expect(message.contains(expected), "\(message)")
        #expect(message.contains("zero1-fp16.json:2:"))
    }

    @Test func filesThatAreNotThere() {
        let message = refusal(base + "learning_rate: 1e-4\ndeepspeed: no-such.json\n")
        #expect(message.contains("r.yaml:4:12: 'deepspeed'"))
        #expect(message.contains("no-such.json"))
    }

    @Test func itSurvivesTheWayToTheWorker() throws {
        let resolved = try load(recipe("zero3-bf16.json"))
        let again = try ResolvedRecipe(json: resolved.json, path: "x")
        #expect(again.recipe == resolved.recipe)
    }
}

let fixtureFolder = packageRoot + "/Tests/ApusConfigTests/Fixtures"

extension Substring {
    fileprivate func hasTrimmedPrefix(_ prefix: String) -> Bool {
        drop { $0 == " " }.hasPrefix(prefix)
    }
}
