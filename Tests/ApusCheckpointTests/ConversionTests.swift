import ApusBase
import ApusFormats
import FileTestSupport
import Foundation
import Testing

@testable import ApusCheckpoint

/// Checkpoints into other forms, and those of other programs into Apus's.
@Suite struct ConversionTests {
    private static func fixture(_ name: String) -> String {
        FilePaths.join(FilePaths.folder(of: #filePath), "Fixtures/" + name)
    }

    private func floats(_ source: any StateSource, _ tensor: StateTensor) throws -> [Float] {
        let raw = UnsafeMutableRawBufferPointer.allocate(
            byteCount: tensor.byteCount, alignment: 64)
        defer { raw.deallocate() }
        try source.read(tensor, 0..<tensor.elementCount, into: raw)
        return [Float](unsafeUninitializedCapacity: tensor.elementCount) { buffer, count in
            NumberConversion.convert(
                UnsafeRawBufferPointer(raw), tensor.dtype,
                to: UnsafeMutableRawBufferPointer(buffer), .float32)
            count = tensor.elementCount
        }
    }

    /// What the tools themselves tell of the same state; made by Tools/goldens/checkpoints.py.
    @Test(arguments: [
        "deepspeed-0-fp32", "deepspeed-0-fp16", "deepspeed-0-fp16-fused", "deepspeed-0-bf16",
        "deepspeed-1-bf16", "deepspeed-1-fp16", "deepspeed-2-fp32", "deepspeed-2-fp16",
        "deepspeed-2-fp16-aligned", "deepspeed-3-bf16", "deepspeed-3-fp16", "universal-2",
        "universal-3", "accelerate", "accelerate-gpt2", "accelerate-bert", "accelerate-bin",
        "accelerate-fsdp", "accelerate-fsdp-whole", "dcp", "trainer-gpt2", "trainer-llama",
    ])
    func statesOfOtherProgramsAreReadExactly(_ name: String) throws {
        let source = try ForeignState.open(Self.fixture(name))
        let expected = try SafetensorsFile(path: Self.fixture(name) + "/expected.safetensors")
        var missing = Set(expected.names)
        for tensor in source.stateTensors {
            let kind = tensor.key.kind == StateKey.weight ? "" : "#\(tensor.key.kind)"
            let key = tensor.key.parameter + kind
            missing.remove(key)
            #expect(expected.entry(key)?.shape == tensor.shape, "\(key)")
            #expect(try floats(source, tensor) == expected.floats(key), "\(key)")
        }
        #expect(missing.isEmpty, "\(missing)")
        // DeepSpeed's stage 0 makes a step without gradients before the first in 16 bits.
        let isEarly = name.hasPrefix("deepspeed-0-") && name != "deepspeed-0-fp32"
        #expect(source.step == 3 && source.updates == (isEarly ? 4 : 3))
        // FSDP saves the tied head as if it were another matrix.
        let isTied = name == "dcp" || name.hasPrefix("accelerate-fsdp")
        let note = "lm_head.weight has the values of model.embed_tokens.weight and no moments"
        #expect(source.notes.count == (isTied ? 1 : 0), "\(source.notes)")
        #expect(source.notes.allSatisfy { $0.hasPrefix(note) })
    }

    @Test func anImportedStateIsACheckpoint() throws {
        let folder = try TemporaryFolder(isFast: true)
        let source = try ForeignState.open(Self.fixture("deepspeed-3-bf16"))
        try CheckpointConversion(source, documents: [source.trainerDocument])
            .write(to: folder / "checkpoint-3", parts: 2)
        let checkpoint = try Checkpoint(path: folder / "checkpoint-3")
        #expect(checkpoint.problems().isEmpty)
        let text = try #require(try checkpoint.document(CheckpointNames.trainer))
        let trainer = try TrainerState(text: text, path: "trainer.json")
        #expect(trainer == TrainerState(step: 3, updates: 3))
        for tensor in source.stateTensors {
            #expect(try floats(checkpoint, tensor) == floats(source, tensor), "\(tensor.key)")
        }
    }

    /// A rank's file of a stage 3 checkpoint is gone.
    @Test func aMissingRankIsNamed() throws {
        let folder = try TemporaryFolder(isFast: true)
        let manager = FileManager.default
        try manager.copyItem(
            atPath: Self.fixture("deepspeed-3-bf16"), toPath: folder / "copy")
        let states = folder / "copy/global_step3"
        for name in try FilePaths.names(in: states) where name.contains("rank_1_mp") {
            guard name.contains("optim") else { continue }
            try manager.removeItem(atPath: FilePaths.join(states, name))
        }
        let message = failure { _ = try ForeignState.open(folder / "copy") }
        #expect(message.contains("2 ranks wrote it, 1 have a file here"), "\(message)")
    }

    /// One bit of a 16-bit weight differs from its master: the masters' order is no longer sure.
    @Test(arguments: ["deepspeed-0-fp16", "deepspeed-0-fp16-fused"])
    func unnamedMastersThatDoNotRoundToTheWeightsAreNotTrusted(_ name: String) throws {
        let folder = try TemporaryFolder(isFast: true)
        try FileManager.default.copyItem(atPath: Self.fixture(name), toPath: folder / "copy")
        let path = folder / "copy/global_step3/mp_rank_00_model_states.pt"
        let file = try PyTorchFile(path: path)
        let tensor = try #require(file.value["module"]?["b.weight"]?.tensor)
        try flipByte(at: file.entry(tensor, "b.weight").byteRange.lowerBound, of: path)
        let source = try ForeignState.open(folder / "copy")
        let note = try #require(source.notes.first)
        #expect(note.contains("no names, and those of group 0 from element"), "\(note)")
        #expect(source.stateTensors.allSatisfy { $0.key.kind == StateKey.weight })
        #expect(source.stateTensors.contains { $0.dtype == .float16 })
    }

    @Test func unnamedMastersOfEqualWeightsAreNotTrusted() throws {
        let source = try ForeignState.open(Self.fixture("alike-0-fp16"))
        let note = try #require(source.notes.first)
        #expect(note.contains("a.weight and b.weight have the same values"), "\(note)")
        #expect(source.stateTensors.map(\.key.description).sorted() == ["a.weight", "b.weight"])
        #expect(source.stateTensors.allSatisfy { $0.dtype == .float16 })
    }

    private func flipByte(at offset: Int, of path: String) throws {
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        try handle.seek(toOffset: UInt64(offset))
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: UInt64(offset))
        try handle.write(contentsOf: [byte ^ 1])
        try handle.close()
    }

    @Test func partsOfDistributedCheckpointsAreMissed() throws {
        let folder = try TemporaryFolder(isFast: true)
        let manager = FileManager.default
        try manager.copyItem(atPath: Self.fixture("accelerate-fsdp"), toPath: folder / "copy")
        let part = folder / "copy/pytorch_model_fsdp_0/__1_0.distcp"
        let handle = try #require(FileHandle(forUpdatingAtPath: part))
        try handle.truncate(atOffset: 1000)
        try handle.close()
        let cutOff = failure { _ = try ForeignState.open(folder / "copy") }
        #expect(cutOff.contains("__1_0.distcp: offset 1000: ends inside "), "\(cutOff)")
        try manager.removeItem(atPath: part)
        let missing = failure { _ = try ForeignState.open(folder / "copy") }
        #expect(missing.contains("__1_0.distcp: is missing, though .metadata"), "\(missing)")
    }

    /// Names in the order of a safetensors file become those of the model again.
    @Test func declarationsAreInTransformersOrder() throws {
        let text = try MappedFile(path: Self.fixture("orders.json")).withBytes { Array($0) }
        let models = try #require(JSON.parse(text).objectValue)
        #expect(models.members.count >= 17)
        for (model, names) in models.members {
            let declared = try #require(names.arrayValue).compactMap(\.stringValue)
            let sorted = declared.sorted().map { (name: $0, shape: [Int]()) }
            let orders = ParameterOrder.candidates(sorted).map { $0.map(\.name) }
            #expect(orders.contains(declared), "\(model)")
        }
    }

    /// Kinds of checkpoints that are not read are told apart, not misread.
    @Test(arguments: [
        ("mp_rank_01_model_states.pt", "belongs to a model-parallel checkpoint"),
        ("layer_0_expert_1_mp_rank_00_model_states.pt", "belongs to a mixture of experts"),
        ("layer_01-model_states.pt", "belongs to a pipeline-parallel checkpoint"),
        ("pytorch_model_fsdp_rank1.bin", "is what one rank of FSDP held for itself"),
        ("model_1.safetensors", "is a second model"),
    ])
    func otherKindsAreRefusedByName(_ name: String, _ problem: String) throws {
        let folder = try TemporaryFolder(isFast: true)
        let isAccelerate = !name.hasSuffix("_states.pt")
        let first = isAccelerate && name.hasPrefix("model") ? "optimizer.bin" : "other"
        for name in [name, isAccelerate ? first : "mp_rank_00_model_states.pt"] {
            #expect(FileManager.default.createFile(atPath: folder / name, contents: nil))
        }
        let message = failure { _ = try ForeignState.open(folder.path) }
        #expect(message.contains("/\(name): \(problem)"), "\(message)")
    }

    /// An optimizer that numbers the parameters of a model nobody knows.
    @Test func momentsOfUnknownModelsAreLeftOut() throws {
        let folder = try TemporaryFolder(isFast: true)
        try FileManager.default.copyItem(
            atPath: Self.fixture("accelerate/optimizer.bin"), toPath: folder / "optimizer.bin")
        let writer = try SafetensorsWriter(
            path: folder / "model.safetensors",
            tensors: [.init("tower.3.gate.weight", .f32, shape: [1])])
        try [Float(1)].withUnsafeBytes { raw in try writer.write("tower.3.gate.weight", raw) }
        try writer.finish()
        let source = try ForeignState.open(folder.path)
        #expect(source.stateTensors.count == 1)
        #expect(source.notes.count == 1)
        #expect(source.notes[0].contains("order that is not known for this kind of model"))
    }

    @Test(arguments: [1, 3, 4])
    func reshardingChangesNothingButTheFiles(_ parts: Int) throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([7], into: folder.path, stage: 2, ranks: 2)
        let checkpoint = try Checkpoint(path: folder / "checkpoint-7")
        try CheckpointConversion(resharding: checkpoint)
            .write(to: folder / "other", parts: parts)
        #expect(try loads(folder / "other", value: 7, stage: 1, ranks: 2))
        let other = try Checkpoint(path: folder / "other").manifest
        #expect(other.rankCount == parts && other.step == 7)
        #expect(other.files.filter { $0.name.hasPrefix("random-") }.count == 2)
        let again = failure {
            try CheckpointConversion(resharding: checkpoint)
                .write(to: folder / "other", parts: parts)
        }
        #expect(again.contains("/other: is there already"))
    }

    @Test func anExportHoldsTheRoundedWeightsInShards() throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([7], into: folder.path, ranks: 2)
        let checkpoint = try Checkpoint(path: folder / "checkpoint-7")
        var export = HuggingFaceExport()
        export.maximumShardBytes = 100
        let config = CheckpointDocument("config.json", "{\"a\": 1, \"torch_dtype\": \"x\"}")
        try export.write(checkpoint, documents: [config], to: folder / "hf")
        let written = try openTensors(at: folder / "hf")
        #expect(written.names.count == TestState.shapes.count)
        for tensor in checkpoint.stateTensors where tensor.key.kind == StateKey.weight {
            let name = tensor.key.parameter
            let entry = try #require(written.entry(name))
            #expect(entry.dtype == .bfloat16 && entry.shape == tensor.shape)
            let exact = try floats(checkpoint, tensor)
            for (value, wanted) in zip(try written.floats(name), exact) {
                let isNear = abs(value - wanted) <= abs(wanted) / 256
                #expect(isNear || value.isNaN == wanted.isNaN || !value.isFinite)
            }
        }
        let text = try MappedFile(path: folder / "hf/config.json").withBytes {
            String(decoding: $0, as: UTF8.self)
        }
        #expect(text == "{\n  \"a\": 1,\n  \"dtype\": \"bfloat16\"\n}\n")
        let names = try FilePaths.names(in: folder / "hf")
        #expect(names.contains("model.safetensors.index.json"), "\(names)")
    }
}
