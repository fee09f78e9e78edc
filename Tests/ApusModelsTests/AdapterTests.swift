import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import FileTestSupport
import Testing

/// An adapter that `Tools/goldens/adapters.py` wrote, and what PEFT computed with it.
struct AdapterFixture: Sendable, CustomTestStringConvertible {
    let name: String
    /// The folder with what was computed.
    var recorded = "adapters"

    static let root = FilePaths.join(ModelFixture.root, "adapters")

    static let all: [AdapterFixture] =
        ((try? FilePaths.names(in: root)) ?? []).map { AdapterFixture(name: $0) }

    /// Those whose merged weights were recorded.
    static let merged = all.filter { (try? $0.tensors("merged."))?.isEmpty == false }

    var testDescription: String { name }
    var folder: String { FilePaths.join(Self.root, name) }

    func expected() throws -> JSON { try readJSON(place("expected.json")) }

    func base() throws -> ModelFixture {
        ModelFixture(name: try #require(try expected()["base"]?.stringValue))
    }

    /// Those computed beside weights in 4 bits as well.
    static let quantized: [AdapterFixture] = ["llama-lora", "llama-dora"].map {
        AdapterFixture(name: $0, recorded: "quantized-adapters")
    }

    func model() throws -> any LanguageModel {
        let pretrained = try PretrainedModel(path: base().folder)
        let adapter = try AdapterFolder(path: folder)
        let isQuantized = recorded == "quantized-adapters"
        return try AdaptedModel(
            pretrained, adapter.configuration, adapter: adapter,
            quantization: isQuantized ? .nf4(doubleQuantized: false) : nil
        ).load(dtype: .float32)
    }

    private func place(_ file: String) -> String {
        FilePaths.join(ModelFixture.root, "\(recorded)/\(name)/\(file)")
    }

    /// The recorded tensors whose names begin so, by the rest of their names.
    func tensors(_ prefix: String) throws -> [String: [Float]] {
        let file = try SafetensorsFile(path: place("expected.safetensors"))
        var tensors: [String: [Float]] = [:]
        for name in file.names where name.hasPrefix(prefix) {
            tensors[String(name.dropFirst(prefix.count))] = try file.floats(name)
        }
        return tensors
    }
}

/// What the adapter's file calls a parameter of the model.
private func fileName(_ parameter: String, _ names: some Collection<String>) -> String? {
    let plain = "base_model.model." + parameter
    let hidden = plain.replacing(/\.(bias|weight)$/) { ".base_layer.\($0.1)" }
    return [plain, hidden].first { names.contains($0) }
}

/// Adapters compute what PEFT computes with them.
@Suite struct AdapterTests {
    @Test func thereAreFixtures() {
        #expect(AdapterFixture.all.count >= 34)
        #expect(AdapterFixture.merged.count >= 15)
    }

    @Test(arguments: AdapterFixture.all + AdapterFixture.quantized)
    func logitsLossAndGradientsEqual(_ fixture: AdapterFixture) throws {
        let model = try fixture.model()
        let batch = try fixture.base().expected()
        let ids = try tokens(batch["input_ids"])
        let logits = withoutGradient { model.logits(ids) }
        let wanted = try #require(try fixture.tensors("logits")[""])
        let largest = wanted.map(abs).max() ?? 0
        #expect(largestDifference(logits.floats(), wanted) < max(1e-5, 1e-6 * largest))

        let trained = model.store.parameters.filter(\.spec.isTrainable)
        for parameter in trained { parameter.value.requiringGradient() }
        let labels = try tokens(batch["labels"])
        let count = labels.slice(1, 1..<20).isNotEqual(to: -100).sum().intItem()
        let mean = model.lossSum(tokens: ids, labels: labels) / Double(count)
        mean.backward()
        let loss = try #require(try fixture.expected()["loss"]?.doubleValue)
        #expect(abs(mean.item() - loss) < 2e-6 * loss)

        let recorded = try #require(try fixture.expected()["gradients"]?.objectValue)
        #expect(recorded.count == trained.count)
        for parameter in trained {
            let name = try #require(fileName(parameter.name, recorded.keys), "\(parameter.name)")
            let summary = try GradientSummary(recorded[name])
            let gradient = try #require(parameter.value.gradient, "\(parameter.name)")
            #expect(summary.distance(to: gradient) < 1e-5, "\(name)")
        }
    }

    @Test(arguments: AdapterFixture.merged)
    func mergedWeightsEqual(_ fixture: AdapterFixture) throws {
        let folder = try TemporaryFolder()
        let base = try PretrainedModel(path: fixture.base().folder)
        try AdapterMerge(base, AdapterFolder(path: fixture.folder))
            .write(to: folder.path, dtype: .float32)
        let written = try openTensors(at: folder.path)
        for (name, values) in try fixture.tensors("merged.") {
            // transformers calls GPT-NeoX's head by another name than its files do.
            #expect(largestDifference(try written.floats(name), values) < 1e-5, "\(name)")
        }
    }

    /// A merged model computes what the adapted one does, also where the head was its embedding.
    @Test(arguments: AdapterFixture.all.filter { $0.name != "llama-head-bias" })
    func mergedModelsComputeTheSame(_ fixture: AdapterFixture) throws {
        let folder = try TemporaryFolder()
        let base = try PretrainedModel(path: fixture.base().folder)
        try AdapterMerge(base, AdapterFolder(path: fixture.folder))
            .write(to: folder.path, dtype: .float32)
        let merged = try PretrainedModel(path: folder.path).makeModel(dtype: .float32)
        let ids = try tokens(try fixture.base().expected()["input_ids"])
        let wanted = try #require(try fixture.tensors("logits")[""])
        let logits = withoutGradient { merged.logits(ids) }
        #expect(largestDifference(logits.floats(), wanted) < 2e-5 * (wanted.map(abs).max() ?? 1))
    }

    @Test(arguments: ["llama-lora", "qwen3-patterns", "gpt2-default", "llama-lora-bias"])
    func unmergingGivesTheBaseBack(_ name: String) throws {
        let fixture = AdapterFixture(name: name)
        let (merged, restored) = (try TemporaryFolder(), try TemporaryFolder())
        let base = try PretrainedModel(path: fixture.base().folder)
        let adapter = try AdapterFolder(path: fixture.folder)
        try AdapterMerge(base, adapter).write(to: merged.path, dtype: .float32)
        try AdapterMerge(PretrainedModel(path: merged.path), adapter, .unmerge)
            .write(to: restored.path, dtype: .float32)
        let (before, after) = (
            try openTensors(at: base.path), try openTensors(at: restored.path)
        )
        for name in before.names {
            #expect(largestDifference(try before.floats(name), try after.floats(name)) < 1e-6)
        }
        for name in ["llama-dora", "llama-saved", "llama-tokens", "llama-pissa", "qwen2-biases"] {
            let final = AdapterFixture(name: name)
            let model = try PretrainedModel(path: final.base().folder)
            let folder = try AdapterFolder(path: final.folder)
            #expect(throws: AdapterError.self) { try AdapterMerge(model, folder, .unmerge) }
        }
    }

    /// What is written has the tensors that were read, and a configuration that says the same.
    @Test(arguments: AdapterFixture.all)
    func savedAdaptersHoldTheSame(_ fixture: AdapterFixture) throws {
        let folder = try TemporaryFolder()
        let adapter = try AdapterFolder(path: fixture.folder)
        let base = try PretrainedModel(path: fixture.base().folder)
        let adapted = try AdaptedModel(base, adapter)
        let model = try adapted.load(dtype: .float32)
        try AdapterSaver(adapted.weights.plan, baseModel: "somewhere")
            .save(model.store, to: folder.path)
        let before = try SafetensorsFile(path: fixture.folder + "/adapter_model.safetensors")
        let after = try SafetensorsFile(path: folder / "adapter_model.safetensors")
        #expect(after.names == before.names)
        for name in before.names { #expect(try after.floats(name) == before.floats(name)) }
        let again = try AdapterFolder(path: folder.path)
        #expect(again.configuration.baseModel == "somewhere")
        #expect(try AdaptedModel(base, again).weights.plan.adapted.map(\.path)
            == adapted.weights.plan.adapted.map(\.path))
    }
}

/// Adapters of sequence classifiers.
@Suite struct ClassifierAdapterTests {
    static let names = ["bert-classifier", "roberta-classifier", "llama-classifier"]

    private func folder(_ name: String) -> String {
        FilePaths.join(ModelFixture.root, "classifier-adapters/\(name)")
    }

    @Test(arguments: names)
    func logitsEqualAndFilesHoldTheSame(_ name: String) throws {
        let expected = try readJSON(FilePaths.join(folder(name), "expected.json"))
        let fixture = EncoderFixture(
            kind: "classifiers", name: try #require(expected["base"]?.stringValue))
        let base = try PretrainedModel(path: fixture.folder)
        let adapted = try AdaptedClassifier(base, AdapterFolder(path: folder(name)))
        let classifier = try adapted.load(dtype: .float32)
        let (batch, context) = try fixture.batch()
        let logits = withoutGradient { classifier.logits(batch, context) }
        let file = try SafetensorsFile(path: FilePaths.join(folder(name), "expected.safetensors"))
        #expect(largestDifference(logits.floats(), try file.floats("logits")) < 1e-5)

        let saved = try TemporaryFolder()
        try AdapterSaver(adapted.weights.plan, baseModel: base.path)
            .save(classifier.store, to: saved.path)
        let before = try SafetensorsFile(path: folder(name) + "/adapter_model.safetensors")
        let after = try SafetensorsFile(path: saved / "adapter_model.safetensors")
        #expect(after.names == before.names)
        for name in before.names { #expect(try after.floats(name) == before.floats(name)) }
    }

    @Test func aNewAdapterTrainsTheHeadToo() throws {
        let fixture = EncoderFixture(kind: "classifiers", name: "bert")
        let base = try PretrainedModel(path: fixture.folder)
        var configuration = LoRAConfiguration()
        configuration.targets = .allLinear
        let adapted = try AdaptedClassifier(base, configuration)
        let trained = adapted.classifier.store.parameters.filter(\.spec.isTrainable).map(\.name)
        #expect(trained.contains("classifier.weight") && trained.contains("classifier.bias"))
        #expect(!trained.contains("bert.embeddings.word_embeddings.weight"))
        #expect(trained.contains("bert.pooler.dense.lora_A.weight"))
        #expect(!trained.contains("classifier.lora_A.weight"))
    }
}

/// How adapters begin, and what is refused.
@Suite struct NewAdapterTests {
    private func base(_ name: String = "llama-untied") throws -> PretrainedModel {
        try PretrainedModel(path: ModelFixture(name: name).folder)
    }

    private func configuration(_ targets: [String] = ["q_proj", "down_proj"]) -> LoRAConfiguration {
        var configuration = LoRAConfiguration()
        configuration.rank = 4
        configuration.targets = .named(targets)
        return configuration
    }

    private let ids = Tensor((0..<20).map { 3 + ($0 * 17) % 120 }, shape: [1, 20])

    /// Every beginning but a random one leaves the model as it is.
    @Test(arguments: [
        LoRAConfiguration.Initialization.standard, .gaussian, .orthogonal, .pissa,
        .fastPissa(iterations: 2), .olora, .mica,
    ], [false, true])
    func theModelBeginsUnchanged(
        _ initialization: LoRAConfiguration.Initialization, _ usesDoRA: Bool
    ) throws {
        var configuration = configuration()
        configuration.initialization = initialization
        configuration.usesDoRA = usesDoRA
        let plain = try base().makeModel(dtype: .float32)
        let model = try AdaptedModel(base(), configuration, seed: 3).load(dtype: .float32)
        let (a, b) = withoutGradient { (plain.logits(ids).floats(), model.logits(ids).floats()) }
        #expect(largestDifference(a, b) < 2e-5)
        let factor = initialization == .mica ? "lora_B" : "lora_A"
        let path = "model.layers.0.self_attn.q_proj.\(factor).weight"
        let first = try #require(model.store[path])
        #expect(Set(first.value.floats()).count > 64)
        #expect(first.spec.isTrainable == (initialization != .mica))
    }

    /// `|a - b| / |b|` of what two beginnings take out of a weight.
    @Test func fastPissaIsPissaAlmost() throws {
        func taken(_ initialization: LoRAConfiguration.Initialization) throws -> Tensor {
            var configuration = configuration()
            configuration.initialization = initialization
            let model = try AdaptedModel(base(), configuration).load(dtype: .float32)
            return try #require(model.store["model.layers.1.mlp.down_proj.weight"]).value
        }
        let plain = try base().makeModel(dtype: .float32)
        let weight = try #require(plain.store["model.layers.1.mlp.down_proj.weight"]).value
        let exact = weight - (try taken(.pissa))
        func distance(_ iterations: Int) throws -> Double {
            let about = weight - (try taken(.fastPissa(iterations: iterations)))
            return ((about - exact).norm() / exact.norm()).item()
        }
        // Neighbouring singular values, and so the subspaces, are hardly apart here.
        #expect(try distance(200) < 0.01)
        #expect(try distance(0) > distance(8) && distance(8) > distance(200))
    }

    /// LoftQ: the weight holds what its few bits can, and the factors most of what they lose.
    @Test(arguments: [4, 8])
    func loftQTakesUpWhatQuantizingLoses(_ bits: Int) throws {
        let format: WeightQuantization = bits == 8 ? .int8 : .nf4(doubleQuantized: false)
        let name = "model.layers.0.self_attn.q_proj"
        let plain = try base().makeModel(dtype: .float32)
        let weight = try #require(plain.store["\(name).weight"]).value
        func left(_ iterations: Int) throws -> Double {
            var configuration = configuration()
            configuration.alpha = 16
            configuration.initialization = .loftQ
            configuration.loftQ.bits = bits
            configuration.loftQ.iterations = iterations
            let model = try AdaptedModel(base(), configuration).load(dtype: .float32)
            let held = try #require(model.store["\(name).weight"]).value
            #expect(((format.rounded(held) - held).norm() / held.norm()).item() < 1e-6)
            let up = try #require(model.store["\(name).lora_B.weight"]).value
            let down = try #require(model.store["\(name).lora_A.weight"]).value
            return (weight - held - up.matmul(down) * 4).norm().item()
        }
        let lost = (weight - format.rounded(weight)).norm().item()
        #expect(try left(1) < 0.9 * lost)
        #expect(try left(5) < left(1))
    }

    /// Rows that are trained alone begin as they are, and are all that is trained of the table.
    @Test(arguments: ["llama-untied", "llama-tied", "gemma3"])
    func trainedRowsBeginAsTheyAre(_ name: String) throws {
        var configuration = configuration(["q_proj"])
        configuration.tokenRows = [.init([3, 20, 37])]
        let plain = try base(name).makeModel(dtype: .float32)
        let model = try AdaptedModel(base(name), configuration).load(dtype: .float32)
        let (a, b) = withoutGradient { (plain.logits(ids).floats(), model.logits(ids).floats()) }
        #expect(a == b)
        let trained = model.store.parameters.filter(\.spec.isTrainable)
        let rows = trained.filter { $0.name.hasSuffix("trainable_tokens_delta") }
        #expect(rows.map(\.shape) == [[3, model.width]])
        #expect(trained.count == 1 + 2 * model.layerCount)
    }

    @Test func aRandomBeginningChangesTheModelByTheSeed() throws {
        var configuration = configuration()
        configuration.initialization = .random
        func logits(_ seed: UInt64) throws -> [Float] {
            let model = try AdaptedModel(base(), configuration, seed: seed).load(dtype: .float32)
            return withoutGradient { model.logits(ids).floats() }
        }
        #expect(try logits(1) == logits(1))
        #expect(try logits(1) != logits(2))
    }

    @Test func dropoutIsForTrainingAlone() throws {
        var configuration = configuration()
        configuration.initialization = .random
        configuration.dropout = 0.5
        let model = try AdaptedModel(base(), configuration).load(dtype: .float32)
        func states(isTraining: Bool) -> [Float] {
            withoutGradient {
                model.hiddenStates(ids, SequenceContext(isTraining: isTraining)).floats()
            }
        }
        #expect(states(isTraining: true) != states(isTraining: true))
        #expect(states(isTraining: false) == states(isTraining: false))
    }

    @Test func onlyTheAdapterIsTrained() throws {
        let adapted = try AdaptedModel(base(), configuration(["q_proj", "nonesuch"]))
        let trained = adapted.model.store.parameters.filter(\.spec.isTrainable)
        #expect(trained.count == 4)
        #expect(trained.allSatisfy { $0.name.contains("q_proj.lora_") })
        #expect(adapted.unmatchedNames == ["nonesuch"])
        var other = configuration()
        other.modulesToSave = ["embed_tokens", "embed_token"]
        other.ranks = [.init("q_proj", 2), .init("q_prj", 2)]
        #expect(try AdaptedModel(base(), other).unmatchedNames == ["embed_token", "q_prj"])
    }

    /// PEFT means every module whose name ends so.
    @Test func modulesToSaveAreEndsOfNames() throws {
        var configuration = configuration()
        configuration.modulesToSave = ["norm"]
        let parameters = try AdaptedModel(base(), configuration).model.store.parameters
        let saved = parameters.filter { $0.spec.isTrainable && !$0.name.contains("lora_") }
        let ends = Set(saved.map { $0.name.split(separator: ".").suffix(2).joined(separator: ".") })
        #expect(
            ends == [
                "norm.weight", "input_layernorm.weight", "post_attention_layernorm.weight",
            ])
    }

    @Test func whatCannotBe() throws {
        #expect(throws: AdapterError.self) { try AdaptedModel(base(), configuration(["c_attn"])) }
        var bad = configuration()
        bad.targets = .matching("(")
        #expect(throws: AdapterError.self) { try AdaptedModel(base(), bad) }
        var head = configuration(["lm_head"])
        head.initialization = .pissa
        #expect(throws: AdapterError.self) { try AdaptedModel(base("llama-tied"), head) }
        var both = configuration()
        (both.usesDoRA, both.hasBias) = (true, true)
        #expect(throws: AdapterError.self) { try AdaptedModel(base(), both) }
        for rows in [
            LoRAConfiguration.TokenRows([128]), .init([5, 5]), .init([5], of: "nonesuch"),
        ] {
            var beyond = configuration()
            beyond.tokenRows = [rows]
            #expect(throws: AdapterError.self) { try AdaptedModel(base(), beyond) }
        }
        var odd = configuration()
        (odd.rank, odd.initialization) = (3, .orthogonal)
        #expect(throws: AdapterError.self) { try AdaptedModel(base(), odd) }
        // An adapter of another model.
        let other = try AdapterFolder(path: AdapterFixture(name: "llama-dora").folder)
        #expect(throws: FileError.self) { try AdaptedModel(base(), other).load(dtype: .float32) }
        for (key, value) in [
            ("use_qalora", true), ("arrow_config", ["top_k": 2]), ("layer_replication", [[2, 0]]),
        ] as [(_, JSON)] {
            var json = JSONObject()
            json["peft_type"] = "LORA"
            json[key] = value
            let text = failure { _ = try LoRAConfiguration(json: .object(json), path: "x") }
            #expect(text.contains(key))
        }
    }
}
