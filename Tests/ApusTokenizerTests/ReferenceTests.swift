import ApusBase
import ApusTokenizer
import Testing

@Suite("Tokenizers of all kinds against the reference library")
struct ReferenceTests {
    static let kinds = [
        "gpt2", "gpt2-prefix", "smollm", "llama3", "qwen2", "llama2", "gemma", "bert", "t5",
        "unigram-bytes", "clip", "words", "precompiled",
    ]

    @Test("Ids, with and without special tokens", arguments: kinds)
    func ids(kind: String) throws {
        let fixture = try Fixture(kind)
        let tokenizer = try fixture.tokenizer()
        for item in fixture.cases {
            #expect(tokenizer.encode(item.text) == item.ids, "\(item.text.debugDescription)")
            let plain = tokenizer.encode(item.text, addSpecialTokens: false)
            #expect(plain == item.plain, "\(item.text.debugDescription)")
        }
    }

    @Test("Offsets", arguments: kinds)
    func offsets(kind: String) throws {
        let fixture = try Fixture(kind)
        let tokenizer = try fixture.tokenizer()
        for item in fixture.cases {
            let encoding = tokenizer.encodeWithOffsets(item.text)
            #expect(encoding.ids == item.ids)
            #expect(encoding.offsets == item.offsets, "\(item.text.debugDescription)")
        }
    }

    @Test("Decoding, at once and streamed", arguments: kinds)
    func decoding(kind: String) throws {
        let fixture = try Fixture(kind)
        let tokenizer = try fixture.tokenizer()
        for item in fixture.cases {
            let all = tokenizer.decode(item.ids)
            #expect(all.hasSameBytes(as: item.decoded), "\(item.text.debugDescription)")
            let skipped = tokenizer.decode(item.ids, skipSpecialTokens: true)
            #expect(skipped.hasSameBytes(as: item.skipped), "\(item.text.debugDescription)")
            var stream = StreamingDecoder(tokenizer)
            var streamed = item.ids.reduce("") { $0 + stream.append($1) }
            streamed += stream.finish()
            #expect(streamed.hasSameBytes(as: item.skipped), "\(item.text.debugDescription)")
        }
    }

    @Test("A stream never hands out part of a character")
    func streamingHoldsBack() throws {
        let tokenizer = try Fixture("smollm").tokenizer()
        let text = "👩‍👩‍👧 日本"
        var stream = StreamingDecoder(tokenizer)
        for id in tokenizer.encode(text) {
            #expect(!stream.append(id).unicodeScalars.contains("\u{FFFD}"))
        }
        #expect(stream.finish().isEmpty)
        // A character that is cut off for good appears as the replacement character.
        let cut = tokenizer.encode("日").dropLast()
        var unfinished = StreamingDecoder(tokenizer)
        let shown = cut.map { unfinished.append($0) }.joined()
        #expect(shown.isEmpty)
        #expect(unfinished.finish() == (cut.isEmpty ? "" : "\u{FFFD}"))
    }
}
