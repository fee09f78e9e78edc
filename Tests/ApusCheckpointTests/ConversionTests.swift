import ApusBase
import ApusFormats
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
        "deepspeed-0-fp32", "deepspeed-1-bf16", "deepspeed-2-fp32", "deepspeed-3-bf16",
        "accelerate",
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
        #expect(source.step == 3 && source.updates == 3)
        #expect(source.notes.isEmpty, "\(source.notes)")
    }

    @Test func anImportedStateIsACheckpoint() throws {
        let folder = try TemporaryFolder()
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
        let folder = try TemporaryFolder()
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

    @Test(arguments: [1, 3, 4])
    func reshardingChangesNothingButTheFiles(_ parts: Int) throws {
        let folder = try TemporaryFolder()
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
        let folder = try TemporaryFolder()
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
