import ApusBase
import ProgramTestSupport
import Testing

/// `apus tokenize` with SmolLM2's vocabulary as `Tests/ApusTokenizerTests` keeps it.
@Suite struct TokenizeCommandTests {
    /// Runs `apus tokenize` on a model folder; `input` goes through printf.
    private func tokenize(_ input: String, _ arguments: String = "") throws -> Program.Result {
        let scratch = try Scratch()
        let fixture = try JSON.parse(try Program.shell("cat '\(fixturePath)'").output)
        let tokenizer = try #require(fixture["tokenizer"])
        scratch.write("tokenizer.json", tokenizer.text(.compact))
        scratch.write(
            "chat_template.jinja",
            "{% if tools %}{{ tools[0].name }}{% endif %}"
                + "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                + "{% if add_generation_prompt %}<assistant>{% endif %}")
        return try Program.shell(
            "printf '\(input)' | apus tokenize --model '\(scratch.path)' \(arguments)")
    }

    private var fixturePath: String {
        let folder = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        return "/\(folder)/ApusTokenizerTests/Fixtures/smollm.json"
    }

    @Test func oneArrayPerLine() throws {
        let result = try tokenize("Hello\\n\\nHello")
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("[") && lines[0].count > 2)
        #expect(lines[1] == "[]")
        #expect(lines[2] == lines[0])
        #expect(lines[3] == "")
    }

    @Test func chatsAreRendered() throws {
        let chat = #"[{"role": "user", "content": "Hi"}]"#
        let rendered = try tokenize("<user>Hi\\n").output
        #expect(try tokenize(chat, "--chat-template").output == rendered)
        #expect(try tokenize("{\"messages\": \(chat)}", "--chat-template").output == rendered)
        #expect(try tokenize("Hi", "--chat-template").output == rendered)
        let equipped = "{\"messages\": \(chat), \"tools\": [{\"name\": \"clock\"}]}"
        let withTools = try tokenize(equipped, "--chat-template").output
        #expect(withTools == (try tokenize("clock<user>Hi\\n").output))
        let prompted = try tokenize("Hi", "--chat-template --generation-prompt").output
        #expect(prompted == (try tokenize("<user>Hi<assistant>").output))
    }

    @Test func offsetsAreBytesOfEachLine() throws {
        for threads in ["", "--threads 2"] {
            let output = try tokenize("\"Hi\"\\n\"\"", "--json --offsets \(threads)").output
            let lines = output.split(separator: "\n")
            #expect(lines.count == 2)
            let first = try JSON.parse(String(lines[0]))
            let ids = first["ids"]?.arrayValue ?? []
            let offsets = first["offsets"]?.arrayValue ?? []
            #expect(ids.count == offsets.count)
            #expect(offsets.first?.arrayValue?.first?.intValue == 0)
            #expect(offsets.last?.arrayValue?.last?.intValue == 2)
            let empty = try JSON.parse(String(lines[1]))
            #expect(empty["ids"]?.arrayValue?.isEmpty == true)
        }
    }

    @Test func pairsHaveTypes() throws {
        for threads in ["", "--threads 2"] {
            let input = #"["Hi", "Hello"]\n["Hi", "Hello"]"#
            let lines = try tokenize(input, "--pairs --offsets \(threads)").output.split(
                separator: "\n")
            #expect(lines.count == 2 && lines[0] == lines[1])
            let pair = try JSON.parse(String(lines[0]))
            let types = (pair["type_ids"]?.arrayValue ?? []).compactMap(\.intValue)
            #expect(types.first == 0 && types.last == 1 && types == types.sorted())
            #expect(pair["ids"]?.arrayValue?.count == types.count)
            // Of the second text the bytes are counted anew.
            let last = pair["offsets"]?.arrayValue?.last?.arrayValue?.last
            #expect(last?.intValue == "Hello".utf8.count)
        }
        let wrong = try tokenize(#"["Hi"]"#, "--pairs")
        #expect(wrong.exitCode == 1)
        #expect(wrong.output.contains("standard input:1: no array of two texts"))
        #expect(try tokenize("[]", "--pairs --decode").exitCode == 64)
    }

    @Test func decodingGoesBack() throws {
        let ids = try tokenize("Hello, world").output
        let text = try tokenize(ids.trimmingLastLineBreak, "--decode").output
        #expect(text == "\"Hello, world\"\n")
        let wrong = try tokenize("[1, true]", "--decode")
        #expect(wrong.exitCode == 1)
        #expect(wrong.output.contains("standard input:1: no array of token ids"))
    }

    @Test func aTokenizerIsTrainedFromText() throws {
        let scratch = try Scratch()
        scratch.write("text", String(repeating: "the swift flies\n", count: 20))
        let path = scratch.path
        let trained = try Program.shell(
            "apus tokenizer train '\(path)/text' --out '\(path)/made' --vocab-size 265")
        #expect(trained.exitCode == 0)
        #expect(trained.output.contains("265 tokens"))
        let used = try Program.shell("echo the swift | apus tokenize --model '\(path)/made'")
        #expect((try JSON.parse(used.output).arrayValue?.count ?? 99) < "the swift".utf8.count)
        let unknown = try Program.shell(
            "apus tokenizer train '\(path)/text' --out '\(path)/made' --split nothing")
        #expect(unknown.exitCode == 64)
        #expect(unknown.output.contains("must be one of gpt-2, smollm, llama-bpe, smaug-bpe"))
    }

    @Test(arguments: [
        (#"\377\376a"#, "text:1: not valid UTF-8"), ("", "holds no text to learn from"),
    ])
    func whatIsNoTextIsNotLearned(_ content: String, _ expected: String) throws {
        let scratch = try Scratch()
        let result = try Program.shell(
            "cd '\(scratch.path)'; printf '\(content)' > text; "
                + "apus tokenizer train text --out made")
        #expect(result.exitCode == 1)
        #expect(result.output.contains(expected), "\(result.output)")
    }

    @Test(arguments: [
        ("Hi\\n{", "standard input:2: not valid JSON"), ("[1]", "standard input:1: no messages"),
        ("{}", "standard input:1: no messages"),
    ])
    func brokenChatsAreReportedWithTheirLine(_ input: String, _ expected: String) throws {
        let result = try tokenize(input, "--chat-template")
        #expect(result.exitCode == 1)
        #expect(result.output.contains(expected))
    }

    @Test func aMissingModelIsExplained() throws {
        let result = try Program.shell("apus tokenize --model /no/such/model")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("/no/such/model/tokenizer.json: the file is missing"))
    }
}

extension String {
    fileprivate var trimmingLastLineBreak: String {
        hasSuffix("\n") ? String(dropLast()) : self
    }
}
