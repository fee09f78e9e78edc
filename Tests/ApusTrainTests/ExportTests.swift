import ApusBase
import ApusCheckpoint
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import Foundation
import Testing

/// A checkpoint of an earlier build, exported today, computes what transformers computes with its
/// export; Tools/goldens/exports.py made both.
@Suite struct ExportTests {
    private static let fixture = TrainingGolden.tests + "ApusTrainTests/Fixtures/export"
    private static let tokens = [3, 20, 117, 90, 5, 61, 127, 44]

    @Test(arguments: [
        ("fp32", DType.float32, 1e-5), ("bf16", .bfloat16, 1e-5), ("fp16", .float16, 1e-5),
    ])
    func computesWhatTransformersDoes(
        _ name: String, _ dtype: DType, _ tolerance: Double
    ) throws {
        let folder = NSTemporaryDirectory() + "apus-export-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let checkpoint = try Checkpoint(path: Self.fixture + "/checkpoint-4")
        #expect(checkpoint.problems().isEmpty)
        var export = HuggingFaceExport()
        export.dtype = dtype
        export.maximumShardBytes = 8000
        try export.write(checkpoint, documents: ModelDocuments.of(checkpoint), to: folder)
        #expect(try FilePaths.names(in: folder).contains("model.safetensors.index.json"))
        let model = try PretrainedModel(path: folder).makeModel(dtype: .float32)
        let logits = withoutGradient {
            model.logits(Tensor(Self.tokens, shape: [1, Self.tokens.count]))
        }
        let expected = try SafetensorsFile(path: Self.fixture + "/logits.safetensors").floats(name)
        let found = logits.floats()
        try #require(found.count == expected.count)
        for (value, wanted) in zip(found, expected) {
            #expect(abs(Double(value - wanted)) < tolerance * max(1, abs(Double(wanted))))
        }
    }
}
