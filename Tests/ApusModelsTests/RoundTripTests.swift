import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import FileTestSupport
import Testing

/// What is written is what was read.
@Suite struct RoundTripTests {
    @Test(arguments: ModelFixture.all)
    func savedFoldersHoldTheSameTensorsAndConfiguration(_ fixture: ModelFixture) throws {
        let folder = try TemporaryFolder()
        let pretrained = try PretrainedModel(path: fixture.folder)
        let model = try pretrained.makeModel(dtype: .float32)
        try ModelSaver(pretrained, dtype: .float32).save(model.store, to: folder.path)

        let before = try openTensors(at: fixture.folder)
        let after = try openTensors(at: folder.path)
        #expect(Set(after.names) == Set(before.names))
        for name in before.names {
            #expect(after.entry(name)?.shape == before.entry(name)?.shape)
            #expect(try after.floats(name) == before.floats(name), "\(name)")
        }
        var expected = try #require(readJSON(fixture.folder + "/config.json").objectValue)
        expected["torch_dtype"] = nil
        expected["dtype"] = "float32"
        let written = try #require(readJSON(folder / "config.json").objectValue)
        #expect(Set(written.keys) == Set(expected.keys))
        for (key, value) in expected.members { #expect(written[key] == value, "\(key)") }
        #expect(
            try readJSON(folder / "generation_config.json")
                == readJSON(fixture.folder + "/generation_config.json"))
    }

    /// A single file has the bytes that transformers wrote, apart from its metadata.
    @Test func shardsAreCutAndNumberedAsTransformersDoes() throws {
        let fixture = ModelFixture(name: "llama-sharded")
        let folder = try TemporaryFolder()
        let pretrained = try PretrainedModel(path: fixture.folder)
        let model = try pretrained.makeModel(dtype: .float32)
        var saver = ModelSaver(pretrained, dtype: .float32)
        saver.maximumShardBytes = 40_000
        try saver.save(model.store, to: folder.path)
        let theirs = try readJSON(fixture.folder + "/model.safetensors.index.json")
        let ours = try readJSON(folder / "model.safetensors.index.json")
        let map = try #require(theirs["weight_map"]?.objectValue)
        #expect(ours["weight_map"]?.objectValue?.count == map.count)
        for (name, file) in map.members { #expect(ours["weight_map"]?[name] == file, "\(name)") }
    }

    @Test func unknownKeysAreKept() throws {
        let fixture = ModelFixture(name: "qwen2")
        let source = try TemporaryFolder(copying: fixture.folder)
        var config = try #require(readJSON(source / "config.json").objectValue)
        config["some_future_key"] = ["nested": [1, 2.5, "three"]]
        try source.write("config.json", config)
        let folder = try TemporaryFolder()
        let pretrained = try PretrainedModel(path: source.path)
        let model = try pretrained.makeModel(dtype: .float32)
        try ModelSaver(pretrained, dtype: .float32).save(model.store, to: folder.path)
        let written = try readJSON(folder / "config.json")
        #expect(written["some_future_key"] == ["nested": [1, 2.5, "three"]])
    }

    @Test func halfPrecisionIsRoundedOnceAndReadBack() throws {
        let fixture = ModelFixture(name: "llama-tied")
        let folder = try TemporaryFolder()
        let pretrained = try PretrainedModel(path: fixture.folder)
        let model = try pretrained.makeModel(dtype: .float32)
        try ModelSaver(pretrained, dtype: .bfloat16).save(model.store, to: folder.path)
        let again = try PretrainedModel(path: folder.path)
        #expect(again.configuration["dtype"] == "bfloat16")
        let reread = try again.makeModel(dtype: .float32)
        for (a, b) in zip(model.store.parameters, reread.store.parameters) {
            #expect(b.value.floats() == a.value.to(.bfloat16).floats(), "\(a.name)")
        }
    }

    /// The rows of a slice are read without the rest: what a sharded engine does.
    @Test func slicesOfParametersAreReadAlone() throws {
        let pretrained = try PretrainedModel(path: ModelFixture(name: "llama-untied").folder)
        let model = try pretrained.makeModel(dtype: .float32)
        for parameter in model.store.parameters {
            let count = parameter.spec.elementCount
            let range = count / 3..<count - count / 5
            let slice = Tensor.zeros([range.count])
            let memory = try #require(slice.hostMemory)
            try pretrained.read(parameter.spec, elements: range, as: .float32, into: memory)
            #expect(slice.floats() == Array(parameter.value.floats()[range]), "\(parameter.name)")
        }
    }
}
