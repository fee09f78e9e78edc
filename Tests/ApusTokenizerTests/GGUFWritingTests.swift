import ApusBase
import ApusFormats
import ApusTokenizer
import FileTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A HuggingFace tokenizer, written as a GGUF vocabulary and read back, gives the same tokens.
@Suite struct GGUFWritingTests {
    @Test(arguments: ["gpt2", "llama3", "qwen2", "smollm", "llama2"])
    func tokensSurviveTheWayThroughGGUF(name: String) throws {
        let fixture = try Fixture(name)
        let folder = try TemporaryFolder()
        try folder.write("tokenizer.json", fixture.tokenizerJSON.text())
        let vocabulary = try GGUFVocabulary(folder: folder.path, size: 40_000)
        let tokenizer = try Tokenizer(gguf: vocabulary)
        // How much space an added token takes with it is not to be said in GGUF.
        let added = (fixture.tokenizerJSON["added_tokens"]?.arrayValue ?? []).compactMap {
            $0["content"]?.stringValue
        }
        let plain = fixture.cases.filter { sample in
            !added.contains { sample.text.contains($0) }
        }
        #expect(plain.count > 20)
        for sample in plain {
            #expect(
                tokenizer.encode(sample.text, addSpecialTokens: false) == sample.plain,
                "\(sample.text)")
        }
    }
}
