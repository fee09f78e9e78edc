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

    @Test("Single normalizers and pre-tokenizers, with characters of every Unicode version")
    func steps() throws {
        for step in try required(Fixture.json("steps.json").arrayValue) {
            let fixture = try Fixture(step)
            let tokenizer = try fixture.tokenizer()
            for item in fixture.cases {
                let encoding = tokenizer.encodeWithOffsets(item.text)
                let step = step["name"]?.stringValue ?? ""
                let name: Comment = "\(step) \(item.text.debugDescription)"
                #expect(encoding.ids == item.ids, name)
                #expect(encoding.offsets == item.offsets, name)
            }
        }
    }

    @Test("A batch on several threads is what each text alone is")
    func batches() throws {
        let tokenizer = try Fixture("llama3").tokenizer()
        let texts = try (0..<3).flatMap { _ in try Fixture("llama3").cases.map(\.text) }
        let ids = tokenizer.encodeBatch(texts, threadCount: 3)
        #expect(ids == texts.map { tokenizer.encode($0) })
        let encodings = tokenizer.encodeBatchWithOffsets(texts, threadCount: 2)
        #expect(encodings == texts.map { tokenizer.encodeWithOffsets($0) })
        #expect(tokenizer.decodeBatch(ids, threadCount: 2) == ids.map { tokenizer.decode($0) })
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
