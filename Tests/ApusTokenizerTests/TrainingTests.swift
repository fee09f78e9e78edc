import ApusBase
import Testing

@testable import ApusTokenizer

@Suite("Training a byte-level BPE against the reference library")
struct TrainingTests {
    private func texts() throws -> [String] {
        try required(Fixture.json("training.json").arrayValue).map { try required($0.stringValue) }
    }

    private func options(_ size: Int) -> BytePairTrainer.Options {
        var options = BytePairTrainer.Options()
        options.vocabularySize = size
        options.specialTokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        return options
    }

    @Test(
        "The same merges in the same order",
        arguments: [("gpt2", "gpt-2"), ("smollm", "smollm"), ("qwen2", "qwen2")])
    func merges(kind: String, split: String) throws {
        let model = try required(Fixture(kind).tokenizerJSON["model"])
        var trainer = try required(try BytePairTrainer(split: split))
        try trainer.add(texts(), threadCount: 2)
        let tokenizer = try trainer.train(options(700))
        let file = try required(tokenizer.files[TokenizerFiles.tokenizer])
        let trained = try required(try JSON.parse(file)["model"])
        #expect(trained["vocab"]?.text() == model["vocab"]?.text())
        #expect(trained["merges"]?.text() == model["merges"]?.text())
    }

    @Test("What was trained encodes and decodes, and ends texts with the first special token")
    func roundTrip() throws {
        var trainer = try required(try BytePairTrainer(split: "gpt-2"))
        try trainer.add(texts())
        let tokenizer = try trainer.train(options(400))
        #expect(tokenizer.vocabularySize == 400)
        #expect(tokenizer.endOfTextID == 0)
        let text = "The swift\n\u{0} flies<|im_end|>日"
        let ids = tokenizer.encode(text)
        #expect(tokenizer.decode(ids) == text)
        #expect(ids.contains(2))
        #expect(ids.count < text.utf8.count)
    }

    @Test("A small corpus gives fewer tokens; rare pairs can be left alone")
    func smallCorpus() throws {
        var trainer = try required(try BytePairTrainer(split: "gpt-2"))
        trainer.add(["aaaa aaaa b", "ab"])
        #expect(try trainer.train(options(1000)).vocabularySize < 270)
        var rare = options(1000)
        rare.minimumFrequency = 1000
        #expect(try trainer.train(rare).vocabularySize == 259)
    }

    @Test("Sizes and tokens that cannot be are refused")
    func refused() throws {
        let unknown = try BytePairTrainer(split: "no such split")
        #expect(unknown == nil)
        let trainer = try required(try BytePairTrainer(split: "gpt-2"))
        #expect(throws: TokenizerError.self) { try trainer.train(options(200)) }
        var twice = options(300)
        twice.specialTokens = ["<s>", "<s>"]
        #expect(throws: TokenizerError.self) { try trainer.train(twice) }
    }
}
