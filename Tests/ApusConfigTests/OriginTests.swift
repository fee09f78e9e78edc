import ApusBase
import ApusConfig
import Testing

@Suite struct OriginTests {
    @Test func layersWinInTheirOrder() throws {
        let set = try Override(set: "ranks=2")
        let flag = Override(flag: "--ranks", 4, sets: "ranks")
        let text = minimal + "ranks: 3\n"
        func ranks(_ overrides: [Override]) throws -> (Int, String) {
            let resolved = try ResolvedRecipe.parse(
                text, path: "r.yaml", overrides: overrides, machine: machine)
            return (resolved.recipe.launch.ranks, resolved.origin(of: "ranks").text)
        }
        #expect(try ranks([]) == (3, "r.yaml:7"))
        #expect(try ranks([set]) == (2, "--set ranks=2"))
        #expect(try ranks([set, flag]) == (4, "--ranks 4"))
    }

    @Test func overridesReachIntoListsAndAppend() throws {
        let changed = try load(
            minimal,
            set: [
                "datasets.0.field_messages=turns", "datasets.1.path=/dev/null",
                "datasets.1.ds_type=text", "sample_prompts=[a, 'b: c']", "sample_prompts.2=d",
            ])
        #expect(changed.recipe.data.datasets.count == 2)
        #expect(changed.recipe.data.datasets[0].fieldMessages == "turns")
        #expect(changed.recipe.evaluation.samplePrompts == ["a", "b: c", "d"])
        #expect(changed.origin(of: "datasets.0.path").text == "r.yaml:3")
        let origin = changed.origin(of: "datasets.1.path").text
        #expect(origin == "--set datasets.1.path=/dev/null")
    }

    @Test func nestedMappingsAreMadeOnTheWay() throws {
        let set = ["lr_scheduler=warmup_stable_decay", "lr_scheduler_kwargs.num_decay_steps=7"]
        let arguments = try load(minimal, set: set).recipe.schedule.arguments
        #expect(arguments.numDecaySteps == 7)
    }

    @Test(arguments: [
        ("nonsense", "no key and value"), ("=3", "no key and value"), ("a..b=3", "an empty name"),
    ])
    func overridesWithoutKeyOrValue(_ text: String, _ expected: String) {
        #expect(throws: ConfigError.self) { try Override(set: text) }
        #expect(refusalOfSet(text).contains(expected))
    }

    @Test(arguments: [
        ("datasets.5.path=x", "'5' is no position in a list of 1"),
        ("datasets.x.path=x", "'x' is no position in a list of 1"),
        ("learning_rate.deep=1", "'deep' lies inside '1e-4', which is a single value"),
        ("seeed=1", "--set seeed=1: unknown key 'seeed'"),
        ("seed=x", "--set seed=x: 'seed' must be an integer"),
    ])
    func overridesThatDoNotFit(_ text: String, _ expected: String) {
        #expect(refusal(minimal, set: [text]).contains(expected))
    }

    @Test func endlessKeysAreRefused() {
        let key = Array(repeating: "a", count: 100_000).joined(separator: ".")
        #expect(refusalOfSet("\(key)=1").contains("a key with more than 64 parts"))
    }

    private func refusalOfSet(_ text: String) -> String {
        do { _ = try Override(set: text) } catch { return error.description }
        return ""
    }

    @Test func automaticPrecisionIsDecidedAndSaysWhy() throws {
        let able = MachineFacts(cores: 4, bfloat16: "avx512_bf16")
        let on = try load(minimal + "bf16: auto\n", on: able)
        #expect(on.recipe.model.usesBFloat16)
        #expect(on.origin(of: "bf16").text == "auto (r.yaml:7): the machine has avx512_bf16")
        let reason = "bf16 (auto (r.yaml:7): the machine has avx512_bf16)"
        #expect(on.outline == "r.yaml: 1 rank x 4 threads, \(reason), into model-out")
        let off = try load(minimal + "bf16: auto\n")
        #expect(off.recipe.model.bf16 == .off)
        #expect(off.origin(of: "bf16").text.contains("nothing here computes bf16 natively"))
    }

    @Test func threadsAreSharedOut() throws {
        let recipe = try load(minimal, set: ["ranks=3"]).recipe
        #expect(recipe.launch.threadsPerRank == 2)
        #expect(try load(minimal, set: ["ranks=30"]).recipe.launch.threadsPerRank == 1)
    }

    @Test func resolvedConfigurationsComeBackUnchanged() throws {
        let text =
            minimal + "bf16: auto\nsample_prompts: ['1', \"a\\nb\"]\nval_set_size: 0.1\n"
            + "lr_scheduler: warmup_stable_decay\nlr_scheduler_kwargs: {num_decay_steps: 3}\n"
        let resolved = try load(text, set: ["adam_epsilon=1e-30"])
        let again = try ResolvedRecipe(
            json: try JSON.parse(resolved.json.text(.indented)), path: "x")
        #expect(again.recipe == resolved.recipe)
        for path in ["base_model", "bf16", "adam_epsilon", "seed", "eval_batch_size"] {
            #expect(again.origin(of: path).text == resolved.origin(of: path).text)
        }
        #expect(again.json == resolved.json)
    }

    @Test func damagedResolvedConfigurationsAreRefused() throws {
        var json = try #require(try load(minimal).json.objectValue)
        json["format_version"] = 99
        #expect(throws: ConfigError.self) { try ResolvedRecipe(json: .object(json), path: "x") }
        json["format_version"] = 1
        json["settings"] = ["base_model": 3]
        #expect(throws: ConfigError.self) { try ResolvedRecipe(json: .object(json), path: "x") }
        #expect(throws: FileError.self) { try ResolvedRecipe(resolvedFile: "/no/such/file") }
    }
}
