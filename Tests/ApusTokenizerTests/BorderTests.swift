import ApusBase
import Testing

@testable import ApusTokenizer

/// Vocabularies of SentencePiece are cut between words only where no merge reaches across.
@Suite("Cuts that change no token")
struct BorderTests {
    /// A byte-pair tokenizer with visible spaces; merges are written `left right`.
    private func tokenizer(
        _ merges: [String], letters: [String] = [], fallback: Bool = false
    ) throws -> Tokenizer {
        var tokens = ["<unk>", "a", "b", ".", "\u{2581}"] + letters
        if fallback { tokens += (0..<256).map { BPEBuilder.fallbackToken(UInt8($0)) } }
        for merge in merges { tokens.append(merge.filter { $0 != " " }) }
        var vocabulary = JSONObject()
        for (id, token) in tokens.enumerated() { vocabulary[token] = .integer(id) }
        let file: JSON = [
            "normalizer": ["type": "Replace", "pattern": ["String": " "], "content": "\u{2581}"],
            "model": [
                "type": "BPE", "unk_token": "<unk>", "fuse_unk": true,
                "byte_fallback": .bool(fallback), "vocab": .object(vocabulary),
                "merges": .array(merges.map { .string($0) }),
            ],
        ]
        return try Tokenizer(tokenizerJSON: file.text())
    }

    private func tokens(_ text: String, _ tokenizer: Tokenizer) -> [String] {
        tokenizer.encode(text).map { tokenizer.token(of: $0) ?? "" }
    }

    private func pieces(_ text: String, _ tokenizer: Tokenizer) -> Int {
        var prepared = PreparedText(whole: Array(text.utf8))
        for stage in tokenizer.pipeline.normalizers { stage.apply(to: &prepared) }
        for stage in tokenizer.pipeline.splitters { stage.apply(to: &prepared) }
        return prepared.pieces.count
    }

    @Test("Words are pieces of their own where merges stay inside them")
    func words() throws {
        let tokenizer = try tokenizer(["\u{2581} a", "\u{2581} \u{2581}", "a b"])
        #expect(tokens("ab a  ab", tokenizer) == ["ab", "▁a", "▁", "▁a", "b"])
        #expect(pieces("ab a  ab", tokenizer) == 3)
        // Also inside of a word, where its characters never meet.
        #expect(pieces("a.b", tokenizer) == 3)
    }

    @Test("A merge across words keeps the text whole")
    func acrossWords() throws {
        let tokenizer = try tokenizer(["\u{2581} b", "a \u{2581}b"])
        #expect(tokens("a b", tokenizer) == ["a▁b"])
        #expect(pieces("a b a b", tokenizer) == 1)
    }

    @Test("A merge across two characters keeps them together")
    func acrossCharacters() throws {
        let tokenizer = try tokenizer([". b", "a .b"])
        #expect(tokens("a.ba.b", tokenizer) == ["a.b", "a.b"])
        #expect(pieces("a.ba.b", tokenizer) == 2)
    }

    @Test("Other than ASCII is cut too, where bytes stand for what is missing")
    func otherScripts() throws {
        let merges = ["\u{e9} a", "\u{4f60} \u{597d}", "\u{2581} \u{4f60}\u{597d}"]
        let letters = ["\u{e9}", "\u{4f60}", "\u{597d}"]
        let fallback = try tokenizer(merges, letters: letters, fallback: true)
        #expect(pieces("\u{e9}ab\u{4f60}\u{597d}\u{4f60}\u{4f60}", fallback) == 5)
        #expect(
            tokens("\u{e9}ab\u{4f60}\u{597d}\u{4f60}\u{4f60}\u{1f600}", fallback)
                == [
                    "\u{e9}a", "b", "\u{4f60}\u{597d}", "\u{4f60}", "\u{4f60}", "<0xF0>", "<0x9F>",
                    "<0x98>", "<0x80>",
                ])
        #expect(tokens(" \u{4f60}\u{597d}", fallback) == ["\u{2581}\u{4f60}\u{597d}"])
        #expect(pieces(" \u{4f60}\u{597d}", fallback) == 1)
        // Else two unknown ones would become two tokens.
        let plain = try tokenizer(merges, letters: letters)
        #expect(tokens("\u{3042}\u{3044}", plain) == ["<unk>"])
        #expect(pieces("\u{4f60}\u{4f60}", plain) == 1)
    }

    @Test("Unknown characters side by side stay one token, bytes are cut like others")
    func unknown() throws {
        #expect(tokens("xx a", try tokenizer(["a b"])) == ["<unk>", "▁", "a"])
        let fallback = try tokenizer(["a b"], fallback: true)
        #expect(tokens("xa", fallback) == ["<0x78>", "a"])
        let joined = try tokenizer(["<0x78> a"], fallback: true)
        #expect(tokens("xa", joined) == ["<0x78>a"])
    }
}
