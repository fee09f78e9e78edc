import ApusBase
import ApusTokenizer
import Testing

/// Pairs of texts against the reference library (`Tools/goldens/tokenizer.py`).
@Suite("Two texts as one input")
struct PairTests {
    private struct Case {
        let tokenizer: Tokenizer
        let texts: [(first: String, second: String)]
        let node: JSON
    }

    private func cases() throws -> [Case] {
        try required(Fixture.json("pairs.json").arrayValue).map { node in
            let kind = try required(node["kind"]?.stringValue)
            var root = try required(Fixture(kind).tokenizerJSON.objectValue)
            root["post_processor"] = node["post_processor"]
            let texts = try required(node["texts"]?.arrayValue).map { pair in
                let texts = try required(pair.arrayValue).map { try required($0.stringValue) }
                return (first: texts[0], second: texts[1])
            }
            let tokenizer = try Tokenizer(tokenizerJSON: JSON.object(root).text())
            return Case(tokenizer: tokenizer, texts: texts, node: node)
        }
    }

    private func expect(_ encoding: Encoding, _ node: JSON, _ comment: Comment) throws {
        #expect(encoding.ids == (try ids(node["ids"])), comment)
        if let types = node["type_ids"] { #expect(encoding.typeIDs == (try ids(types)), comment) }
        guard let pairs = node["offsets"]?.arrayValue else { return }
        let offsets = try pairs.map { pair in
            let ends = try ids(pair)
            return Int(ends[0])..<Int(ends[1])
        }
        #expect(encoding.offsets == offsets, comment)
    }

    @Test("Ids, types and offsets, with and without special tokens")
    func whole() throws {
        for item in try cases() {
            for (index, pair) in item.texts.enumerated() {
                let comment: Comment = "\(item.node["post_processor"]?.text() ?? "") \(pair)"
                let whole = item.tokenizer.encodePair(pair.first, pair.second)
                try expect(whole, try required(item.node["whole"]?.arrayValue?[index]), comment)
                let bare = item.tokenizer.encodePair(
                    pair.first, pair.second, addSpecialTokens: false)
                try expect(bare, try required(item.node["bare"]?.arrayValue?[index]), comment)
                let first = item.tokenizer.encode(pair.first, addSpecialTokens: false)
                #expect(Array(whole.ids[whole.texts[0]]) == first, comment)
            }
        }
    }

    @Test("Truncation by every strategy, and padding")
    func cuts() throws {
        for item in try cases() {
            for cut in try required(item.node["cuts"]?.arrayValue) {
                var root = try required(
                    Fixture(try required(item.node["kind"]?.stringValue)).tokenizerJSON.objectValue)
                for key in ["truncation", "padding"] { root[key] = cut[key] }
                root["post_processor"] = item.node["post_processor"]
                let tokenizer = try Tokenizer(tokenizerJSON: JSON.object(root).text())
                try check(cut, tokenizer, item.texts)
            }
        }
    }

    private func check(
        _ cut: JSON, _ tokenizer: Tokenizer, _ texts: [(first: String, second: String)]
    ) throws {
        let truncation = try required(tokenizer.configuration.truncation)
        let padding = try required(tokenizer.configuration.paddingRule)
        for (index, pair) in texts.enumerated() {
            let comment: Comment = "\(truncation) \(pair)"
            guard let inputs = try required(cut["inputs"]?.arrayValue)[index].arrayValue else {
                #expect(throws: TruncationError.self, comment) {
                    try tokenizer.encodePairWindows(
                        pair.first, pair.second, truncation: truncation)
                }
                continue
            }
            let found = try tokenizer.encodePairWindows(
                pair.first, pair.second, truncation: truncation)
            #expect(found.count == inputs.count, comment)
            for (encoding, node) in zip(found, inputs) { try expect(encoding, node, comment) }
            let padded = padding.apply(to: [found[0]]).encodings[0]
            try expect(padded, try required(cut["padded"]?.arrayValue)[index], comment)
        }
    }

    @Test("A text that cannot be cut so short is refused with a reason")
    func tooShort() throws {
        let tokenizer = try Fixture("bert").tokenizer()
        var truncation = Truncation(maximumLength: 8)
        truncation.strategy = .onlySecond
        let error = #expect(throws: TruncationError.self) {
            try tokenizer.encodePairWindows("a b c d e f g h", "i", truncation: truncation)
        }
        #expect(error?.description.contains("would have to go") == true)
        #expect(throws: TruncationError.self) {
            try tokenizer.encodeWindows("a", truncation: Truncation(maximumLength: 2))
        }
    }

    @Test("A second post-processor that adds tokens is refused")
    func nested() throws {
        var root = try required(Fixture("bert").tokenizerJSON.objectValue)
        let processor = try required(root["post_processor"])
        root["post_processor"] = ["type": "Sequence", "processors": [processor, processor]]
        let error = #expect(throws: TokenizerError.self) {
            try Tokenizer(tokenizerJSON: JSON.object(root).text())
        }
        #expect(error?.description.contains("a second post-processor") == true)
    }
}
