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

@Suite("Vocabularies from GGUF metadata")
struct GGUFTests {
    /// The vocabulary of a fixture as a converter would write it into a GGUF file.
    private func vocabulary(of kind: String, pre: String) throws -> GGUFVocabulary {
        let root = try Fixture(kind).tokenizerJSON
        var tokens: [Int: String] = [:]
        for (token, id) in try required(root["model"]?["vocab"]?.objectValue).members {
            tokens[try required(id.intValue)] = token
        }
        var types = Array(repeating: 1, count: tokens.count)
        for token in try required(root["added_tokens"]?.arrayValue) {
            let id = try required(token["id"]?.intValue)
            if tokens[id] == nil { types.append(1) }
            tokens[id] = try required(token["content"]?.stringValue)
            types[id] = 3
        }
        let ordered = try (0..<tokens.count).map { try required(tokens[$0]) }
        var vocabulary = GGUFVocabulary(model: "gpt2", pre: pre, tokens: ordered)
        vocabulary.tokenTypes = types
        vocabulary.merges = try required(root["model"]?["merges"]?.arrayValue).map { pair in
            try required(pair.arrayValue).map { try required($0.stringValue) }.joined(
                separator: " ")
        }
        vocabulary.ids.beginningOfText = tokens.first { $0.value == "<|begin_of_text|>" }?.key
        vocabulary.ids.endOfText = 0
        vocabulary.chatTemplate = "{{ messages[0].content }}{{ eos_token }}"
        return vocabulary
    }

    @Test(
        "The ids are those of the HuggingFace tokenizer of the same model",
        arguments: [("smollm", "smollm"), ("llama3", "llama-bpe")])
    func sameIDs(kind: String, pre: String) throws {
        let tokenizer = try Tokenizer(gguf: vocabulary(of: kind, pre: pre))
        for item in try Fixture(kind).cases {
            #expect(tokenizer.encode(item.text) == item.ids, "\(item.text.debugDescription)")
        }
        #expect(tokenizer.endOfTextID == 0)
        let chat = try tokenizer.applyChatTemplate([ChatMessage(role: "user", content: "Hi")])
        #expect(chat.text == "Hi<|endoftext|>")
    }

    @Test("A SentencePiece vocabulary gets its merges from the scores")
    func sentencePiece() throws {
        let root = try Fixture.json("sentencepiece.json")
        let tokens = try required(root["tokens"]?.arrayValue).map { try required($0.stringValue) }
        var vocabulary = GGUFVocabulary(model: "llama", pre: "default", tokens: tokens)
        vocabulary.tokenTypes = try ids(root["types"]).map { Int($0) }
        vocabulary.scores = try required(root["scores"]?.arrayValue).map {
            Float(try required($0.doubleValue))
        }
        vocabulary.ids.beginningOfText = 1
        vocabulary.ids.endOfText = 2
        let tokenizer = try Tokenizer(gguf: vocabulary)
        for item in try required(root["cases"]?.arrayValue) {
            let text = try required(item["text"]?.stringValue)
            #expect(tokenizer.encode(text) == (try ids(item["ids"])), "\(text.debugDescription)")
        }
        #expect(tokenizer.decode(tokenizer.encode("a é 日"), skipSpecialTokens: true) == "a é 日")
        vocabulary.scores = []
        #expect(throws: TokenizerError.self) { try Tokenizer(gguf: vocabulary) }
    }

    @Test("The files it saves load again and give the same ids")
    func saved() throws {
        let tokenizer = try Tokenizer(gguf: vocabulary(of: "smollm", pre: "smollm"))
        let folder = try TemporaryFolder()
        try tokenizer.save(to: folder.path)
        let loaded = try Tokenizer(folder: folder.path)
        let text = "Swifts fly 500 km; don't they?<|im_end|>\n"
        #expect(loaded.encode(text) == tokenizer.encode(text))
        #expect(loaded.endOfTextID == tokenizer.endOfTextID)
        #expect(loaded.configuration.chatTemplate == tokenizer.configuration.chatTemplate)
    }

    @Test("Whether text begins with a token is the file's to say")
    func beginning() throws {
        var vocabulary = try vocabulary(of: "llama3", pre: "llama-bpe")
        let begin = try required(vocabulary.ids.beginningOfText)
        #expect(try Tokenizer(gguf: vocabulary).encode("a").first == Int32(begin))
        vocabulary.addsBeginningOfText = false
        #expect(try Tokenizer(gguf: vocabulary).encode("a").first != Int32(begin))
    }

    @Test("A broken vocabulary is refused with the key at fault")
    func refusals() throws {
        let good = try vocabulary(of: "smollm", pre: "smollm")
        func location(_ change: (inout GGUFVocabulary) -> Void) throws -> String? {
            var broken = good
            change(&broken)
            return #expect(throws: TokenizerError.self) { try Tokenizer(gguf: broken) }?.location
        }
        #expect(try location { $0.pre = "unheard-of" } == "tokenizer.ggml.pre")
        #expect(try location { $0.pre = nil } == "tokenizer.ggml.pre")
        #expect(try location { $0.model = "rwkv" } == "tokenizer.ggml.model")
        #expect(try location { $0.tokenTypes = [1] } == "tokenizer.ggml.token_type")
        #expect(try location { $0.tokens[5] = $0.tokens[6] } == "tokenizer.ggml.tokens[6]")
        #expect(try location { $0.merges[3] = "ab" } == "tokenizer.ggml.merges[3]")
        #expect(try location { $0.merges[3] = "no where" } == "model.merges[3]")
        #expect(try location { $0.ids.endOfText = 99999 } == "tokenizer.ggml.eos_token_id")
    }
}
