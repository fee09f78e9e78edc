import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import FileTestSupport
import Testing

/// A published model from a quantized GGUF file, against transformers reading the same file.
@Suite struct SmolLM2Tests {
    static let root = FilePaths.join(FilePaths.folder(of: #filePath), "../..")
    static let file = FilePaths.join(root, ".models/SmolLM2-135M-Instruct.Q4_1.gguf")

    private func pretrained() throws -> PretrainedModel {
        try #require(
            FilePaths.isFile(Self.file),
            "\(Self.file) is missing: run Scripts/fetch-demo, which downloads it")
        return try PretrainedModel(path: Self.file)
    }

    @Test func configurationIsThatOfHuggingFace() throws {
        let pretrained = try pretrained()
        let config = pretrained.configuration
        #expect(config["hidden_size"] == 576)
        #expect(config["num_hidden_layers"] == 30)
        #expect(config["rms_norm_eps"] == 1e-5)
        #expect(config["tie_word_embeddings"] == true)
        #expect(config["rope_parameters"]?["rope_theta"]?.doubleValue == 100_000)
        #expect(try pretrained.generationDefaults().stopIDs == [2])
    }

    /// The prompts have different lengths, so that this proves the left padding as well.
    @Test func greedyContinuationsAreThoseOfTransformers() throws {
        let expected = try readJSON(FilePaths.join(ModelFixture.root, "smollm2-greedy.json"))
        let pretrained = try pretrained()
        // On a busy machine several threads wait for each other longer than one computes.
        Runtime.threadCount = 1
        let model = try pretrained.makeModel(dtype: .float32)
        let cases = try #require(expected["cases"]?.arrayValue)
        let prompts = try cases.map { try ids($0["prompt_ids"]) }
        try expectTopFive(model, prompts[0], cases[0]["first_top5"])

        var options = GenerationOptions()
        options.maximumNewTokens = try #require(expected["limit"]?.intValue)
        options.stopIDs = try pretrained.generationDefaults().stopIDs
        var streamed = [[Int]](repeating: [], count: prompts.count)
        let rows = try TokenGenerator(model, options).generate(prompts) { row, id in
            streamed[row].append(id)
            return true
        }
        for (index, item) in cases.enumerated() {
            #expect(rows[index].tokenIDs == (try ids(item["token_ids"])), "\(item["text"] ?? "")")
        }
        #expect(streamed == rows.map(\.tokenIDs))
    }

    private func expectTopFive(
        _ model: any LanguageModel, _ prompt: [Int], _ expected: JSON?
    ) throws {
        let logits = withoutGradient { model.logits(Tensor(prompt, shape: [1, prompt.count])) }
        let best = logits[0][prompt.count - 1].topK(5)
        let pairs = try #require(expected?.arrayValue)
        #expect(best.indices.ints() == pairs.map { $0.arrayValue?.first?.intValue })
        for (value, pair) in zip(best.values.doubles(), pairs) {
            let theirs = try #require(pair.arrayValue?.last?.doubleValue)
            #expect(abs(value - theirs) < 1e-3)
        }
    }

    @Test func truncatedFiles() throws {
        _ = try pretrained()
        let folder = try TemporaryFolder()
        let whole = try MappedFile(path: Self.file)
        for length in [0, 3, 4, 20, 1000, 100_000, 2_000_000, 3_000_000] {
            let head = whole.withBytes { Array($0[..<length]) }
            try folder.write("cut.gguf", head)
            let message = failure { _ = try PretrainedModel(path: folder / "cut.gguf") }
            #expect(message.contains("cut.gguf: offset"), "\(length): \(message)")
        }
    }
}
