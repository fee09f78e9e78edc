import ApusConfig
import Testing

@Suite struct ReadingTests {
    @Test func defaultsAreThoseOfTheRecipeType() throws {
        let resolved = try load(minimal)
        var expected = Recipe()
        expected.model.baseModel = "/dev/null"
        expected.optimizer.learningRate = 1e-4
        var dataset = DatasetSettings()
        dataset.path = "/dev/null"
        dataset.fileType = .json
        dataset.sampleType = .chatTemplate
        expected.data.datasets = [dataset]
        expected.batch.evalBatchSize = 1
        expected.data.padToSequenceLength = false
        expected.launch.threadsPerRank = 8
        expected.checkpoints.saveStrategy = .never
        expected.checkpoints.resume = "auto"
        #expect(resolved.recipe == expected)
    }

    /// YAML 1.1 takes `1e-4` for a string since it has no dot; recipes mean the number.
    @Test(arguments: ["1e-4", "1E-4", "0.0001", ".0001", "1.0e-4", "\"1e-4\"", "+1e-4"])
    func learningRatesAsPeopleWriteThem(_ text: String) throws {
        let recipe = try load(minimal, set: ["learning_rate=\(text)"]).recipe
        #expect(recipe.optimizer.learningRate == 1e-4)
    }

    @Test(arguments: ["abc", "nan", "inf", "0x10", "-1e-4", "1e999", "[1]", "1 2"])
    func otherLearningRatesAreRefused(_ text: String) {
        let message = refusal(minimal, set: ["learning_rate=\(text)"])
        #expect(message.contains("'learning_rate' must be a number of at least 0"))
    }

    @Test(arguments: [("1000", 1000), ("1_000", 1000), ("1e3", 1000), ("2.0", 2)])
    func integersAsPeopleWriteThem(_ text: String, _ value: Int) throws {
        #expect(try load(minimal, set: ["max_steps=\(text)"]).recipe.batch.maxSteps == value)
    }

    @Test(arguments: ["0", "-3", "1.5", "ten", "\"5\"", "99999999999999999999"])
    func otherIntegersAreRefused(_ text: String) {
        let message = refusal(minimal, set: ["max_steps=\(text)"])
        #expect(message.contains("'max_steps' must be an integer of at least 1, not"))
    }

    @Test(arguments: [("true", true), ("yes", true), ("On", true), ("False", false), ("no", false)])
    func booleans(_ text: String, _ value: Bool) throws {
        let recipe = try load(minimal, set: ["sample_packing=\(text)"]).recipe
        #expect(recipe.data.samplePacking == value)
    }

    @Test func emptyValuesCountAsNotWritten() throws {
        let resolved = try load(minimal + "max_steps:\nseed: ~\nwarmup_steps: null\n")
        #expect(resolved.recipe.batch.maxSteps == nil)
        #expect(resolved.recipe.output.seed == 42)
        #expect(resolved.origin(of: "seed").text == "default")
    }

    @Test func nestedValues() throws {
        let text = """
            base_model: /dev/null
            learning_rate: 1e-4
            datasets:
              - path: /dev/null
                ds_type: json
                type: chat_template
                field_messages: conversations
                message_property_mappings: {role: from, content: value}
                roles_to_train: [gpt, tool]
              - {path: /dev/null, ds_type: text}
            sample_prompts:
              - "What is: this?"
              - 42
            """
        let recipe = try load(text).recipe
        #expect(recipe.data.datasets[0].fieldMessages == "conversations")
        #expect(recipe.data.datasets[0].messagePropertyMappings.role == "from")
        #expect(recipe.data.datasets[0].messagePropertyMappings.content == "value")
        #expect(recipe.data.datasets[0].rolesToTrain == ["gpt", "tool"])
        #expect(recipe.data.datasets[1].sampleType == .completion)
        #expect(recipe.evaluation.samplePrompts == ["What is: this?", "42"])
    }

    @Test func rolesAreRenamed() throws {
        let set = "datasets.0.roles={user: [human, customer], assistant: [bot]}"
        let dataset = try load(minimal, set: [set]).recipe.data.datasets[0]
        #expect(dataset.roleNames == ["human": "user", "customer": "user", "bot": "assistant"])
        let message = refusal(minimal, set: ["datasets.0.roles={user: human}"])
        #expect(message.contains("'datasets.0.roles.user' must be a list"))
    }

    @Test func aliasesAreFollowed() throws {
        let text = minimal + "sample_prompts: &p [a, b]\n"
        #expect(try load(text).recipe.evaluation.samplePrompts == ["a", "b"])
        let aliased = "seed: &n 7\nmax_steps: *n\n"
        #expect(try load(minimal + aliased).recipe.batch.maxSteps == 7)
    }
}

@Suite struct RefusalTests {
    @Test func unknownKeysNameTheNearest() {
        let message = refusal(minimal + "learning_rte: 1\n")
        #expect(message.contains("r.yaml:7:1: unknown key 'learning_rte'"))
        #expect(message.contains("did you mean 'learning_rate'?"))
    }

    @Test func unknownKeysOfADatasetListWhatIsAllowed() {
        let text = minimal.replacingOccurrence(of: "type: chat_template", with: "colour: red")
        let message = refusal(text)
        #expect(message.contains("r.yaml:5:5: unknown key 'colour' in 'datasets.0'"))
        #expect(message.contains("allowed here: path, ds_type, type"))
    }

    @Test func nestedTypingErrors() {
        let text = minimal.replacingOccurrence(
            of: "type: chat_template", with: "type: completion\n    feild: text")
        #expect(refusal(text).contains("did you mean 'field'?"))
    }

    @Test func keysOfAxolotlAreToldFromTypingErrors() {
        let message = refusal(minimal + "gptq: true\n")
        #expect(message.contains("'gptq' is known to axolotl, not supported by Apus yet"))
        #expect(!message.contains("unknown key"))
    }

    @Test func keysOfAxolotlThatAreOffAreAccepted() throws {
        let resolved = try load(minimal + "gptq: false\nwandb_project:\ntf32: no\n")
        #expect(resolved.inactiveKeys == ["gptq", "wandb_project", "tf32"])
        #expect(resolved.explanation.contains("gptq, wandb_project, tf32"))
    }

    @Test func allProblemsAreReportedAtOnceInTheOrderOfTheFile() throws {
        let text = """
            base_model: /no/such/model
            micro_batch_size: two
            datsets: []
            optimizer: adamw_8bit
            lr_scheduler: cosin
            """
        let message = refusal(text)
        let expected = [
            "r.yaml:1:13: 'base_model': no file or folder '/no/such/model'",
            "r.yaml:2:19: 'micro_batch_size' must be an integer of at least 1, not 'two'",
            "r.yaml:3:1: unknown key 'datsets'\n    did you mean 'datasets'?",
            "r.yaml:4:12: 'optimizer: adamw_8bit' is not supported by Apus yet",
            "r.yaml:5:15: 'lr_scheduler' must be one of constant, constant_with_warmup, linear",
            "did you mean 'cosine'?",
        ]
        var rest = message[...]
        for part in expected {
            let range = try #require(rest.firstRange(of: part), "\(part) in \(message)")
            rest = rest[range.upperBound...]
        }
        #expect(message.contains("'datasets' is missing"))
        #expect(message.contains("'learning_rate' is missing"))
        #expect(message.hasSuffix("7 problems"))
    }

    @Test func duplicateKeys() {
        let message = refusal(minimal + "seed: 1\nmax_steps: 3\nseed: 2\n")
        #expect(message.contains("key given more than once: 'seed' (lines 7, 9)"))
    }

    @Test(arguments: [
        ("a: [1, 2\nb: 3\n", "r.yaml:2"), ("\tseed: 1\n", "r.yaml:1"), ("a: b: c\n", "r.yaml:1:5"),
        ("a: \"x\n", "r.yaml:"),
    ])
    func brokenYAMLIsReportedWithItsLine(_ text: String, _ place: String) {
        let message = refusal(text)
        #expect(message.contains(place))
        #expect(message.contains("not valid YAML"))
    }

    @Test(arguments: ["", "# nothing\n", "- a\n", "just text\n", "? [a]\n: 1\n", "a: *b\n", "%\n"])
    func filesThatAreNoRecipe(_ text: String) {
        #expect(!refusal(text).isEmpty)
    }

    @Test func aliasBombsAreRefused() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...8 {
            let references = Array(repeating: "*a\(level - 1)", count: 10)
            text += "a\(level): &a\(level) [\(references.joined(separator: ", "))]\n"
        }
        #expect(refusal(text).contains("aliases expand to too many values"))
    }

    @Test(arguments: [
        ("warmup_steps: 5\nwarmup_ratio: 0.1", "'warmup_steps' and 'warmup_ratio' exclude"),
        ("eval_steps: 5\nevals_per_epoch: 2", "'eval_steps' and 'evals_per_epoch' exclude"),
        ("bf16: true\nfp32: true", "'fp32: true' and 'bf16' exclude each other"),
        ("val_set_size: 1.5", "neither a share nor a number of samples"),
        ("lr_scheduler: warmup_stable_decay", "needs the length of its last phase"),
        ("cosine_min_lr_ratio: 0.1\nlr_scheduler: linear", "needs 'lr_scheduler: cosine'"),
        ("lr_scheduler_kwargs: {min_lr_ratio: 0.1}", "belongs to 'lr_scheduler: warmup_stable"),
        ("chat_template: jinja", "'chat_template: jinja' without"),
        (
            "test_datasets: [{path: /dev/null, ds_type: text}]\nval_set_size: 2",
            "exclude each other"
        ),
        ("fp16: true\nbf16: true", "'fp16: true' and 'bf16' exclude each other"),
        ("fp32: true\nfp16: true", "'fp32: true' and 'fp16' exclude each other"),
        ("loss_scaling: {hysteresis: 3}", "'loss_scaling' belongs to 'fp16: true'"),
        ("sharding: gradient", "did you mean 'gradients'?"),
        ("sharding_group_size: 2", "without anything that is shared out"),
        ("sharding: gradients\nranks: 4\nsharding_group_size: 3", "cannot be made of 4 ranks"),
        ("bf16: full", "'bf16: full' is not supported by Apus yet"),
        ("ranks: 0", "'ranks' must be an integer from 1 to 4096, not '0'"),
    ])
    func conflicts(_ lines: String, _ expected: String) {
        let message = refusal(minimal + lines + "\n")
        #expect(message.contains(expected))
        #expect(message.contains("r.yaml:"))
    }

    @Test func dataFilesMustSayWhatTheyHold() {
        let text = minimal.replacingOccurrence(of: "    type: chat_template\n", with: "")
        #expect(refusal(text).contains("'datasets.0.type' is missing"))
        let textFile = minimal.replacingOccurrence(of: "ds_type: json", with: "ds_type: text")
        #expect(refusal(textFile).contains("'chat_template' needs rows, and a text file has none"))
    }
}

extension String {
    /// This text with one passage changed; the passage must be there.
    func replacingOccurrence(of passage: String, with replacement: String) -> String {
        guard let range = firstRange(of: passage) else { preconditionFailure("no '\(passage)'") }
        return replacingCharacters(in: range, with: replacement)
    }

    private func replacingCharacters(in range: Range<Index>, with text: String) -> String {
        String(self[..<range.lowerBound]) + text + String(self[range.upperBound...])
    }
}
