import ApusBase
import ApusTokenizer
import Testing

@Suite("Truncation and padding against the reference library")
struct LengthTests {
    private func tokenizer(_ node: JSON) throws -> Tokenizer {
        let kind = try required(node["kind"]?.stringValue)
        var root = try required(Fixture(kind).tokenizerJSON.objectValue)
        root["truncation"] = node["truncation"]
        root["padding"] = node["padding"]
        return try Tokenizer(tokenizerJSON: JSON.object(root).text())
    }

    @Test("Windows of long texts, and batches of one length")
    func windows() throws {
        for node in try required(Fixture.json("windows.json").arrayValue) {
            let tokenizer = try tokenizer(node)
            let truncation = try required(tokenizer.configuration.truncation)
            let cases = try required(node["cases"]?.arrayValue)
            var first: [Encoding] = []
            for item in cases {
                let text = try required(item["text"]?.stringValue)
                let windows = try tokenizer.encodeWindows(text, truncation: truncation)
                let expected = try required(item["windows"]?.arrayValue).map { try ids($0) }
                #expect(windows.map(\.ids) == expected, "\(truncation) \(text)")
                let offsets = try required(item["offsets"]?.arrayValue).map { window in
                    try required(window.arrayValue).map { pair in
                        let ends = try ids(pair)
                        return Int(ends[0])..<Int(ends[1])
                    }
                }
                #expect(windows.map(\.offsets) == offsets, "\(truncation) \(text)")
                first.append(windows[0])
            }
            let padding = try required(tokenizer.configuration.paddingRule)
            let padded = padding.apply(to: first)
            #expect(padded.encodings.map(\.ids) == (try cases.map { try ids($0["padded"]) }))
            for (encoding, mask) in zip(padded.encodings, padded.attentionMasks) {
                #expect(encoding.offsets.count == mask.count)
                #expect(zip(encoding.ids, mask).allSatisfy { $1 || $0 == padding.id })
            }
            #expect(padded.attentionMasks.map { $0.count { $0 } } == first.map(\.ids.count))
        }
    }

    @Test("A file's truncation does not cut texts unasked")
    func notUnasked() throws {
        let node = try required(Fixture.json("windows.json").arrayValue?.first)
        let text = String(repeating: "swift ", count: 50)
        #expect(try tokenizer(node).encode(text).count > 50)
    }

    @Test("A side that there is not is refused")
    func unknownSide() throws {
        var node = try required(Fixture.json("windows.json").arrayValue?.first?.objectValue)
        node["truncation"] = ["max_length": 5, "direction": "Up"]
        let error = #expect(throws: TokenizerError.self) { try tokenizer(.object(node)) }
        #expect(error?.description.contains("neither Left nor Right") == true)
    }
}
