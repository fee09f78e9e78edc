import ApusBase
import Testing

@testable import ApusTokenizer

@Suite("Hostile input: refused or read, never a crash or a hang")
struct FuzzTests {
    /// Changes a few bytes, or cuts or doubles a stretch; the result is valid UTF-8 again.
    private func mutate(_ text: String, with random: inout SplitMix64) -> String {
        var bytes = Array(text.utf8)
        let symbols = Array("{}%[]()|.,:'\"\\-#+*/~=<> \n01azx".utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) where bytes.count > 4 {
            let start = Int.random(in: 0..<bytes.count - 1, using: &random)
            let end = min(start + Int.random(in: 1...12, using: &random), bytes.count)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[start] = symbols.randomElement(using: &random) ?? 0
            case 1: bytes.removeSubrange(start..<end)
            case 2: bytes.insert(contentsOf: bytes[start..<end], at: start)
            default:
                let target = Int.random(in: 0..<bytes.count, using: &random)
                bytes.insert(contentsOf: bytes[start..<end], at: target)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Another letter, digit or sign of a pattern in one place, so that most of a JSON file stays
    /// one.
    private func changeOne(in text: String, with random: inout SplitMix64) -> String {
        var bytes = Array(text.utf8)
        let signs = Array("abdx0129+*?(){|".utf8)
        let places = bytes.indices.filter { signs.contains(bytes[$0]) }
        if let place = places.randomElement(using: &random) {
            bytes[place] = signs.randomElement(using: &random) ?? bytes[place]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("Mutated templates")
    func templates() throws {
        let root = try Fixture.json("chats.json")
        var sources = try required(root["templates"]?.objectValue).members.compactMap {
            $0.value.stringValue
        }
        sources += try required(Fixture.json("jinja.json")["cases"]?.arrayValue).compactMap {
            $0["source"]?.stringValue
        }
        let conversations = try required(root["conversations"]?.arrayValue)
        let variables = try required(Fixture.json("jinja.json")["variables"]?.objectValue)
        var random = SplitMix64(seed: 7)
        var rendered = 0
        for _ in 0..<FuzzTests.templateRounds {
            let source = mutate(sources.randomElement(using: &random) ?? "", with: &random)
            let fields = conversations.randomElement(using: &random)?.arrayValue ?? []
            let messages = fields.compactMap { $0.objectValue.flatMap { ChatMessage($0) } }
            var options = ChatOptions(addGenerationPrompt: Bool.random(using: &random))
            options.variables = variables
            options.limits.work = 20_000
            guard let template = try? ChatTemplate(source) else { continue }
            let text = try? template.render(messages, options, specialTokens: ["bos_token": "<s>"])
            rendered += text == nil ? 0 : 1
        }
        // Most small changes leave a template that still runs: the test did reach the interpreter.
        #expect(rendered > FuzzTests.templateRounds / 20)
    }

    @Test("Mutated tokenizer files and texts")
    func tokenizerFiles() throws {
        var random = SplitMix64(seed: 11)
        let file = #"""
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"},
             {"type": "Replace", "pattern": {"Regex": "a+|\\s{2,}"}, "content": " "},
             {"type": "BertNormalizer"}]},
             "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
             {"type": "Split", "pattern": {"Regex": "(?i:x)|[^\\p{L}]?\\p{L}+(?!\\d)"},
             "behavior": "Isolated", "invert": false},
             {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}]},
             "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"},
             {"type": "Strip", "content": " ", "start": 1, "stop": 0},
             {"type": "WordPiece", "prefix": "##"}]},
             "post_processor": {"type": "RobertaProcessing", "sep": ["b", 1], "cls": ["a", 0]},
             "model": {"type": "BPE", "unk_token": "a", "byte_fallback": true, "fuse_unk": true,
             "vocab": {"a": 0, "b": 1, "ab": 2, "▁": 3}, "merges": [["a", "b"]]}}
            """#
        _ = try Tokenizer(tokenizerJSON: file)
        var loaded = 0
        for _ in 0..<FuzzTests.rounds {
            let mutated = changeOne(in: file, with: &random)
            guard let tokenizer = try? Tokenizer(tokenizerJSON: mutated) else { continue }
            loaded += 1
            let sample = mutate("Swifts, ab AB  x1 e\u{301} 日本 한 <x>\n\t", with: &random)
            let encoding = tokenizer.encodeWithOffsets(sample)
            let length = sample.utf8.count
            #expect(encoding.offsets.allSatisfy { $0.upperBound <= length })
            #expect(tokenizer.encode(sample) == encoding.ids)
            _ = tokenizer.decode(encoding.ids)
        }
        #expect(loaded > FuzzTests.rounds / 20)
    }

    @Test("Mutated patterns")
    func patterns() {
        var random = SplitMix64(seed: 13)
        let sources = [
            #"[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}]+[\r\n]*|\s+(?!\S)"#,
            #"(?i:a|bc)*(?<=x)[a-z&&\d]{2,5}?|\b(?>y+)[[:alpha:]_]$"#,
        ]
        let text = Array("aab xyyz 12é日\n  a-b bcbc".utf8)
        for _ in 0..<FuzzTests.rounds {
            let pattern = mutate(sources.randomElement(using: &random) ?? "", with: &random)
            guard let program = try? RegexProgram(pattern) else { continue }
            let matches = text.withUnsafeBufferPointer {
                TextPattern.regex(program).matches(in: $0, 0..<text.count)
            }
            #expect(zip(matches, matches.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
        }
    }

    private static let rounds = 200
    private static let templateRounds = 3000
}
