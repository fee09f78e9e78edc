import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import FileTestSupport
import Testing

/// Bad files end in a message that says what is wrong where, and never in a crash.
@Suite struct HostileFileTests {
    private static let nastyValues: [JSON] = [
        -1, 0, 1.5, 9_223_372_036_854_775_807, -9_223_372_036_854_775_808, 1e300, "word", true,
        .null, [], [1], [:], ["rope_type": "default", "rope_theta": "x"],
    ]

    /// Every key of every configuration with every nasty value: refused, or harmless.
    @Test(arguments: ModelFixture.all)
    func configurationsWithAbsurdValues(_ fixture: ModelFixture) throws {
        let path = fixture.folder + "/config.json"
        let config = try #require(readJSON(path).objectValue)
        for (key, old) in config.members {
            for value in Self.nastyValues where value != old {
                var changed = config
                changed[key] = value
                try check(changed, key)
            }
        }
    }

    /// Either a typed error or a model whose declaration needs no memory to speak of.
    private func check(_ config: JSONObject, _ key: String) throws {
        do throws(FileError) {
            let family = try ModelFamily(configuration: .object(config), path: "config.json")
            let model = family.makeModel()
            #expect(model.store.elementCount > 0)
        } catch {
            #expect(error.path.hasPrefix("config.json"), "\(key): \(error)")
        }
    }

    struct Fault: Sendable {
        let key: String
        let value: JSON
        let message: String

        init(_ key: String, _ value: JSON, _ message: String) {
            self.key = key
            self.value = value
            self.message = message
        }
    }

    static let faults = [
        Fault("hidden_size", -32, "hidden_size is -32; it should be from 1 to"),
        Fault("hidden_size", "32", "hidden_size should be an integer, it is a string"),
        Fault("num_hidden_layers", 1_000_000_000, "num_hidden_layers is 1000000000"),
        Fault("num_attention_heads", 2.5, "num_attention_heads should be an integer"),
        Fault("num_key_value_heads", 3, "num_key_value_heads is 3"),
        Fault("head_dim", 7, "head width 7"),
        Fault("head_dim", 1_048_576, "heads of head_dim"),
        Fault("rms_norm_eps", -1, "should not be negative"),
        Fault("hidden_act", "relu", "hidden_act is relu, which Apus cannot compute"),
        Fault("model_type", "lama", "model_type is lama"),
        Fault("model_type", .null, "the key model_type is missing"),
        Fault("rope_parameters", ["rope_type": "spiral"], "rope_type is spiral"),
        Fault("rope_parameters", ["rope_theta": 0], "rotary base 0"),
        Fault("tie_word_embeddings", "no", "should be true or false"),
    ]

    @Test(arguments: faults)
    func messagesNameTheKey(_ fault: Fault) throws {
        let folder = try TemporaryFolder(copying: ModelFixture(name: "llama-untied").folder)
        var config = try #require(readJSON(folder / "config.json").objectValue)
        config[fault.key] = fault.value
        try folder.write("config.json", config)
        let message = failure { _ = try PretrainedModel(path: folder.path) }
        #expect(message.contains(fault.message), "\(message)")
        #expect(message.contains("config.json"))
    }

    @Test func brokenConfigurationFiles() throws {
        let folder = try TemporaryFolder(copying: ModelFixture(name: "gpt2").folder)
        try folder.write("config.json", Array("{\"model_type\": ".utf8))
        #expect(failure { _ = try PretrainedModel(path: folder.path) }.contains("offset"))
        try folder.write("config.json", Array("[1]".utf8))
        #expect(failure { _ = try PretrainedModel(path: folder.path) }.contains("an array"))
        folder.remove("config.json")
        #expect(failure { _ = try PretrainedModel(path: folder.path) }.contains("holds no config"))
        let missing = failure { _ = try PretrainedModel(path: "/nowhere/at/all") }
        #expect(missing.contains("there is no such model"))
        let noFile = failure { _ = try PretrainedModel(path: "/nowhere/model.gguf") }
        #expect(noFile.contains("/nowhere/model.gguf"))
    }

    @Test func weightsThatDoNotFit() throws {
        let folder = try TemporaryFolder(copying: ModelFixture(name: "llama-untied").folder)
        var config = try #require(readJSON(folder / "config.json").objectValue)
        config["intermediate_size"] = 1_000_000
        config["vocab_size"] = 16_000_000
        try folder.write("config.json", config)
        let shapes = failure { try load(folder.path) }
        #expect(shapes.contains("mlp.up_proj.weight is [48, 32] instead of [1000000, 32]"))

        config["intermediate_size"] = 48
        config["vocab_size"] = 128
        config["num_hidden_layers"] = 3
        try folder.write("config.json", config)
        let missing = failure { try load(folder.path) }
        #expect(missing.contains("model.layers.2.self_attn.q_proj.weight [32, 32] is missing"))
        #expect(missing.contains("and 1 more"))
    }

    @Test func truncatedSafetensors() throws {
        let folder = try TemporaryFolder(copying: ModelFixture(name: "llama-tied").folder)
        let whole = try contents(folder / "model.safetensors")
        for length in [0, 4, 8, 9, 200, whole.count / 2, whole.count - 1] {
            try folder.write("model.safetensors", Array(whole[..<length]))
            let message = failure { try load(folder.path) }
            #expect(message.contains("model.safetensors"), "\(length): \(message)")
        }
    }

    @Test func missingShard() throws {
        let folder = try TemporaryFolder(copying: ModelFixture(name: "llama-sharded").folder)
        folder.remove("model-00002-of-00003.safetensors")
        let message = failure { try load(folder.path) }
        #expect(message.contains("model-00002-of-00003.safetensors"), "\(message)")
    }

    private func load(_ path: String) throws {
        _ = try PretrainedModel(path: path).makeModel(dtype: .float32)
    }
}
