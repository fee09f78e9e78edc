import ApusBase
import Testing

@testable import ApusTokenizer

@Suite("Pre-tokenizers and patterns against the reference library")
struct SplittingTests {
    @Test("Pieces are the same")
    func pieces() throws {
        let root = try Fixture.json("splits.json")
        let texts = try required(root["texts"]?.arrayValue).map { try required($0.stringValue) }
        for item in try required(root["splits"]?.arrayValue) {
            let node = JSONReader(try required(item["pre_tokenizer"]), file: "splits.json")
            let splitting = try PreTokenizerReader.splitting(node)
            let expected = try required(item["pieces"]?.arrayValue)
            for (text, pieces) in zip(texts, expected) {
                var prepared = PreparedText(whole: Array(text.utf8))
                for stage in splitting.stages { stage.apply(to: &prepared) }
                let wanted = try required(pieces.arrayValue).map { pair in
                    let ends = try ids(pair)
                    return Int(ends[0])..<Int(ends[1])
                }
                let found = prepared.pieces
                #expect(found == wanted.filter { !$0.isEmpty }, "\(node.value.text()) \(text)")
            }
        }
    }

    @Test("The scanner of o200k cuts as its pattern does")
    func scannerAgainstPattern() throws {
        let splits = try required(Fixture.json("splits.json")["splits"]?.arrayValue)
        let node = JSONReader(try required(splits.first?["pre_tokenizer"]), file: "splits.json")
        let regex = try node.required("pattern").string("Regex")
        let pattern = TextPattern.regex(try RegexProgram(regex))
        let stages = try PreTokenizerReader.splitting(node).stages
        #expect(stages.first is ScannerStage<O200KScanner>)
        var random = SplitMix64(seed: 5)
        let parts = [
            "a", "é", "B", "Ñ", "ǅ", "ʰ", "日", "\u{301}", "1", "½", " ", "\u{a0}", "\n", "\r", "/",
            ".", "'", "'s", "'LL", "👍", "ß", "İ",
        ]
        for _ in 0..<400 {
            let count = Int.random(in: 1...9, using: &random)
            let text = (0..<count).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
            var prepared = PreparedText(whole: Array(text.utf8))
            for stage in stages { stage.apply(to: &prepared) }
            let expected = prepared.bytes.withUnsafeBufferPointer {
                pattern.matches(in: $0, 0..<prepared.bytes.count)
            }
            #expect(prepared.pieces == expected, "\(text.debugDescription)")
        }
    }

    @Test(
        "Patterns that are not supported are refused",
        arguments: [
            "(", ")", "[a", "a{5,2}", "*a", #"\k<n>"#, #"(a)\1"#, #"\p{Klingon}"#, "[b-a]",
            "(?<=a*)b",
            "(?x) a", "[a&&]", "(?i)[a&&b]", #"\X"#, "a**{99999}", #"\"#, "(?:)*",
        ])
    func refused(pattern: String) {
        #expect(throws: RegexError.self) { try RegexProgram(pattern) }
    }

    @Test("Deep or huge patterns are refused, not a crash")
    func hostilePatterns() {
        let deep = String(repeating: "(", count: 10_000) + String(repeating: ")", count: 10_000)
        #expect(throws: RegexError.self) { try RegexProgram(deep) }
        #expect(throws: RegexError.self) { try RegexProgram("(((a{900}){900}){900}){900}") }
    }

    @Test("A pattern that backtracks without end elsewhere is quick here")
    func catastrophicPattern() throws {
        let pattern = TextPattern.regex(try RegexProgram("(a+)+(a|aa)+b"))
        let text = Array(String(repeating: "a", count: 300).utf8)
        let matches = text.withUnsafeBufferPointer { pattern.matches(in: $0, 0..<300) }
        #expect(matches.isEmpty)
    }
}
