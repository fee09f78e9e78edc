import ApusBase
import ApusData
import ApusFormats
import ApusTokenizer
import FileTestSupport
import Testing

/// The whole way of a chat sample, with a real tokenizer and SmolLM2's template.
@Suite struct TokenizerChatTests {
    let tokenizer: Tokenizer

    init() throws {
        let tests = FilePaths.folder(of: FilePaths.folder(of: #filePath))
        let folder = FilePaths.join(tests, "ApusTokenizerTests/Fixtures")
        func fixture(_ name: String) throws -> JSON {
            let file = try MappedFile(path: FilePaths.join(folder, name))
            return try file.withBytes { try JSON.parse($0) }
        }
        let vocabulary = try #require(try fixture("smollm.json")["tokenizer"])
        let templates = try fixture("chats.json")["templates"]
        let template = try #require(templates?["smollm2"]?.stringValue)
        tokenizer = try Tokenizer(
            tokenizerJSON: vocabulary.text(),
            configurationJSON: "{\"eos_token\": \"<|im_end|>\"}",
            chatTemplate: template)
    }

    func load(_ text: String, roles: Set<String> = ["assistant"]) throws -> Dataset {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.jsonl", text)
        var fields = ChatFields()
        fields.trainedRoles = roles
        return try Dataset.load(
            [DataSource(path: path, kind: .chat(fields))], encoder: tokenizer,
            renderer: TokenizerChat(tokenizer))
    }

    func trained(_ data: Dataset) -> String {
        let labels = data.samples[0].labels.filter { $0 != TokenizedSample.ignoredLabel }
        return tokenizer.decode(labels)
    }

    let chat = """
        {"messages": [{"role": "user", "content": "Hello?"}, \
        {"role": "assistant", "content": "Hello! Grüße 🐦"}, \
        {"role": "user", "content": "Hello! Grüße 🐦"}, \
        {"role": "assistant", "content": "Bye."}]}
        """

    @Test func onlyTheAssistantIsTrained() throws {
        let data = try load(chat)
        #expect(trained(data) == "Hello! Grüße 🐦<|im_end|>Bye.<|im_end|>")
        let whole = tokenizer.decode(data.samples[0].inputIDs)
        #expect(whole.hasPrefix("<|im_start|>system\nYou are a helpful AI assistant named SmolLM"))
        #expect(whole.hasSuffix("<|im_start|>assistant\nBye.<|im_end|>\n"))
        #expect(data.report.trainedTokens == data.samples.trainedCount(0))
    }

    @Test func otherRolesCanBeTrained() throws {
        let users = try load(chat, roles: ["user"])
        #expect(trained(users) == "Hello?Hello! Grüße 🐦")
        let both = try load(chat, roles: ["user", "assistant"])
        #expect(trained(both).hasPrefix("Hello?Hello! Grüße 🐦<|im_end|>Hello!"))
    }

    @Test func completionsEndWithTheEndOfText() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.txt", "Some words\n")
        let source = DataSource(path: path, kind: .completion())
        let data = try Dataset.load([source], encoder: tokenizer, renderer: nil)
        #expect(tokenizer.decode(data.samples[0].inputIDs) == "Some words<|im_end|>")
    }

    @Test func anotherTemplateCanBeGiven() throws {
        let template = try ChatTemplate("{% for m in messages %}[{{ m.content }}]{% endfor %}")
        let chat = TokenizerChat(tokenizer, template: template)
        let messages: [JSONObject] = [["role": "assistant", "content": "a"]]
        let rendered = try chat.render(messages, tools: nil, trainedRoles: ["assistant"])
        #expect(rendered.text == "[a]")
        let refusing = try ChatTemplate("{{ raise_exception('No system message.') }}")
        let problem = failure {
            let chat = TokenizerChat(tokenizer, template: refusing)
            _ = try chat.render(messages, tools: nil, trainedRoles: ["assistant"])
        }
        #expect(problem.contains("No system message."))
    }
}
