import ApusBase
import ApusFormats
import ApusNN
import ApusTensor
import FileTestSupport
import Testing

@testable import ApusModels

/// GGUF files of every architecture that is read give the model of the folder they were made from.
@Suite struct GGUFModelTests {
    static let folders = ["llama-untied", "llama-tied", "llama-biased", "qwen2", "qwen3"]

    @Test(arguments: folders)
    func logitsEqualThoseOfTheFolder(_ name: String) throws {
        let fixture = ModelFixture(name: name)
        let folder = try TemporaryFolder()
        try folder.write("model.gguf", GGUFBuilder(folder: fixture.folder).bytes)
        let pretrained = try PretrainedModel(path: folder / "model.gguf")
        let model = try pretrained.makeModel(dtype: .float32)
        let batch = try tokens(fixture.expected()["input_ids"])
        let logits = withoutGradient { model.logits(batch) }
        #expect(largestDifference(logits.floats(), try fixture.logits()) < 1e-5)
        // Saved as a folder it is the folder again.
        let saved = try TemporaryFolder()
        try ModelSaver(pretrained, dtype: .float32).save(model.store, to: saved.path)
        let (before, after) = (try openTensors(at: fixture.folder), try openTensors(at: saved.path))
        #expect(Set(before.names) == Set(after.names))
        for tensor in before.names { #expect(try after.floats(tensor) == before.floats(tensor)) }
    }

    private func open(_ change: (inout GGUFBuilder) -> Void) throws -> PretrainedModel {
        var builder = try GGUFBuilder(folder: ModelFixture(name: "llama-untied").folder)
        change(&builder)
        let folder = try TemporaryFolder()
        try folder.write("model.gguf", builder.bytes)
        return try PretrainedModel(path: folder / "model.gguf")
    }

    /// llama.cpp writes Llama 3's scaling as one divisor for each frequency.
    @Test(arguments: [8.0, 32.0])
    func llama3ScalingIsRecognised(_ factor: Double) throws {
        var rotary = RotaryConfiguration(width: 8, theta: 500_000)
        let plain = rotary.frequencies(length: 1)
        rotary.scaling = .llama3(
            factor: factor, lowFrequency: 1, highFrequency: 4, trainedLength: 8192)
        let scaled = rotary.frequencies(length: 1)
        let divisors = zip(plain, scaled).map { Float($0 / $1) }
        let pretrained = try open { $0.add("rope_freqs.weight", [4], divisors) }
        let rope = pretrained.configuration["rope_parameters"]
        #expect(rope?["rope_type"] == "llama3")
        #expect(rope?["factor"]?.doubleValue == factor)
    }

    @Test func whatCannotBeReadIsNamed() throws {
        let odd = failure { _ = try open { $0.add("rope_freqs.weight", [4], [1, 2, 3, 4]) } }
        #expect(odd.contains("rope_freqs.weight is no rotary scaling"))
        let short = failure { _ = try open { $0.add("rope_freqs.weight", [2], [1, 2]) } }
        #expect(short.contains("rope_freqs.weight is no rotary scaling"))
        let mixture = failure { _ = try open { $0.set("llama.expert_count", 8) } }
        #expect(mixture.contains("has no \"llama.expert_used_count\""))
    }

    @Test(arguments: [
        "embedding_length", "block_count", "attention.head_count", "attention.key_length",
        "feed_forward_length", "context_length",
    ])
    func absurdSizesAreRefused(_ key: String) throws {
        for value in [-1, 0, 1 << 40, Int.max] {
            var builder = GGUFBuilder()
            builder.set("general.architecture", "llama")
            let sizes = [
                "embedding_length": 32, "feed_forward_length": 48, "block_count": 2,
                "attention.head_count": 4, "attention.key_length": 8, "context_length": 64,
            ]
            for (name, size) in sizes { builder.set("llama.\(name)", name == key ? value : size) }
            builder.set("llama.attention.layer_norm_rms_epsilon", 1e-5)
            builder.add("token_embd.weight", [4, 32], [Float](repeating: 0, count: 128))
            builder.add("rope_freqs.weight", [4], [1, 1, 1, 1])
            let folder = try TemporaryFolder()
            try folder.write("model.gguf", builder.bytes)
            let message = failure {
                _ = try PretrainedModel(path: folder / "model.gguf").makeModel(dtype: .float32)
            }
            #expect(message.contains("model.gguf"), "\(key) = \(value): \(message)")
        }
    }
}
