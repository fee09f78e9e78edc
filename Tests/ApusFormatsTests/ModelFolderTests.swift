import ApusBase
import ApusFormats
import FileTestSupport
import Testing

@Suite struct ModelFolderTests {
    /// The model of `transformers` in the folder `sharded`, as declarations in its own order.
    func declarations(of source: any TensorSource) throws -> [SafetensorsWriter.Tensor] {
        let order = String(decoding: try bytes(golden("sharded/order.txt")), as: UTF8.self)
        return try order.split(separator: "\n").map { name in
            let entry = try #require(source.entry(String(name)))
            return .init(entry.name, .f32, shape: entry.shape)
        }
    }

    func write(_ source: any TensorSource, to folder: String, shardBytes: Int) throws {
        let tensors = try declarations(of: source)
        let writer = try ModelWriter(
            folder: folder, tensors: tensors, maximumShardBytes: shardBytes)
        for tensor in tensors.reversed() {
            let values = try source.floats(tensor.name)
            try values.withUnsafeBytes { try writer.write(tensor.name, $0) }
        }
        try writer.finish()
    }

    @Test func aShardedModelIsOneSource() throws {
        let model = try openTensors(at: golden("sharded"))
        #expect(model is ShardedTensors)
        #expect(model.names.count == 21)
        #expect(model.entry("model.layers.1.mlp.up_proj.weight")?.shape == [24, 16])
        #expect(try model.floats("model.norm.weight") == [Float](repeating: 1, count: 16))
        #expect(model.entry("model.layers.2.mlp.up_proj.weight") == nil)
    }

    @Test func writesFilesAndIndexOfTransformers() throws {
        let folder = try TemporaryFolder()
        try write(try openTensors(at: golden("sharded")), to: folder.path, shardBytes: 8000)
        let theirs = try FilePaths.names(in: golden("sharded")).filter { $0 != "order.txt" }
        #expect(try FilePaths.names(in: folder.path) == theirs)
        #expect(theirs.count > 2)
        for name in theirs {
            #expect(try bytes(folder / name) == bytes(golden("sharded/" + name)), "\(name)")
        }
    }

    @Test func aSmallModelIsOneFileAndReplacesTheOldOnes() throws {
        let folder = try TemporaryFolder()
        let source = try openTensors(at: golden("sharded"))
        try write(source, to: folder.path, shardBytes: 8000)
        try write(source, to: folder.path, shardBytes: ModelWriter.defaultShardBytes)
        #expect(try FilePaths.names(in: folder.path) == ["model.safetensors"])
        let model = try openTensors(at: folder.path)
        #expect(Set(model.names) == Set(source.names))
        for name in model.names { #expect(try model.floats(name) == source.floats(name)) }
    }

    @Test func missingShardsAreListed() throws {
        let folder = try TemporaryFolder()
        let index = try bytes(golden("sharded/model.safetensors.index.json"))
        _ = try folder.write("model.safetensors.index.json", index)
        let problem = failure { _ = try openTensors(at: folder.path) }
        #expect(problem.contains("files are missing: model-00001-of-0000"))
    }

    @Test func aTensorInAnotherShardIsNamed() throws {
        let folder = try TemporaryFolder()
        for name in try FilePaths.names(in: golden("sharded")) where name.hasSuffix(".safetensors")
        {
            _ = try folder.write(name, try bytes(golden("sharded/" + name)))
        }
        let text = String(
            decoding: try bytes(golden("sharded/model.safetensors.index.json")), as: UTF8.self)
        let line = try #require(
            text.split(separator: "\n").first { $0.contains("model.norm.weight") })
        let wrong = "    \"model.norm.weight\": \"model-00001-of-00003.safetensors\""
        #expect(!line.contains("00001-of"))
        let lines = text.split(separator: "\n").map { $0 == line ? Substring(wrong) : $0 }
        let changed = lines.joined(separator: "\n")
        let path = try folder.write("model.safetensors.index.json", Array(changed.utf8))
        let problem = failure { _ = try ShardedTensors(indexPath: path) }
        #expect(
            problem.contains("\"model.norm.weight\" in model-00001")
                && problem.contains("but it is in"))
    }

    @Test(arguments: [
        ("{}", "no object \"weight_map\""), ("{", "not valid JSON"),
        ("{\"weight_map\":{\"a\":1}}", "an integer, not a file name"),
        ("{\"weight_map\":{\"a\":\"../b.safetensors\"}}", "no file of this folder"),
    ])
    func faultyIndexes(text: String, problem: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("model.safetensors.index.json", Array(text.utf8))
        #expect(failure { _ = try ShardedTensors(indexPath: path) }.contains(problem))
    }

    @Test func pathsThatAreNoModel() throws {
        let folder = try TemporaryFolder()
        #expect(failure { _ = try openTensors(at: folder.path) }.contains("holds neither"))
        #expect(failure { _ = try openTensors(at: folder / "x") }.contains("no such file"))
        let other = try folder.write("x.txt", [])
        #expect(failure { _ = try openTensors(at: other) }.contains("no kind of model file"))
        _ = try folder.write("pytorch_model.bin", [])
        #expect(failure { _ = try openTensors(at: folder.path) }.contains("neither a zip file"))
    }
}
