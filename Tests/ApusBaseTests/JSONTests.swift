import ApusBase
import Testing

@Suite struct JSONTests {
    @Test func keepsOrderAndKinds() throws {
        let text = #"{"b": 1, "a": 1.5, "c": [true, null, "x"], "d": {}, "e": []}"#
        let json = try JSON.parse(text)
        #expect(json.objectValue?.keys == ["b", "a", "c", "d", "e"])
        #expect(json["b"] == .integer(1))
        #expect(json["a"] == .number(1.5))
        #expect(json.text() == text)
    }

    @Test func writesAsPythonDoes() throws {
        let json: JSON = ["eps": 1e-05, "big": 10000.0, "list": [1, 2], "text": "a\"\n\u{1}é"]
        #expect(
            json.text()
                == #"{"eps": 1e-05, "big": 10000.0, "list": [1, 2], "text": "a\"\n\u0001é"}"#)
        #expect(json.text(.compact).hasPrefix(#"{"eps":1e-05,"big":10000.0,"list":[1,2]"#))
        let indented = "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}"
        #expect((["a": [1, 2], "b": [:]] as JSON).text(.indented) == indented)
    }

    @Test func readsEscapesAndSurrogates() throws {
        #expect(try JSON.parse(#""\u00e9\ud83d\ude00\/\t""#) == .string("é😀/\t"))
        // A lone surrogate, which Python can write, becomes the replacement character.
        #expect(try JSON.parse(#""\ud800x""#) == .string("\u{FFFD}x"))
    }

    @Test func integersBeyondInt64AreNumbers() throws {
        #expect(try JSON.parse("9223372036854775807") == .integer(.max))
        #expect(try JSON.parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
        #expect(try JSON.parse("-0.5e-3").doubleValue == -0.0005)
    }

    /// Swift's strings compare by canonical equivalence; keys of a file compare by bytes.
    @Test func keysThatDifferOnlyInNormalFormAreTwo() throws {
        let json = try JSON.parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}")
        #expect(json.objectValue?.count == 2)
        #expect(json["\u{E9}"] == .integer(1))
        #expect(json["e\u{301}"] == .integer(2))
    }

    @Test(arguments: [
        ("", 0), ("{", 1), ("[1,]", 3), ("{\"a\" 1}", 5), ("{\"a\": 1, \"a\": 2}", 9), ("01", 0),
        ("1 2", 2), ("\"a", 2), ("tru", 0), ("[1 2]", 3), ("\"\\x\"", 2), ("\"\u{1}\"", 1),
        ("-", 1), ("1.", 2), ("1e", 2), ("nul", 0), ("{1: 2}", 1),
    ])
    func refusesWithTheOffset(_ text: String, _ offset: Int) {
        let error = #expect(throws: JSONSyntaxError.self) { try JSON.parse(text) }
        #expect(error?.offset == offset)
    }

    @Test func refusesInvalidUTF8AndDeepNesting() {
        #expect(throws: JSONSyntaxError.self) { try JSON.parse([0x22, 0xFF, 0x22]) }
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONSyntaxError.self) { try JSON.parse(deep) }
    }

    /// Damaged text is refused or read; it never stops the program.
    @Test func mutationsNeverCrash() {
        let seed = Array(#"{"a": [1, 2.5e3, "x\u00e9\n", null], "b": {"c": true}}"#.utf8)
        var random = SplitMix64(seed: 7)
        var refused = 0
        for _ in 0..<5000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            if (try? JSON.parse(bytes)) == nil { refused += 1 }
        }
        #expect(refused > 1000)
    }

    @Test func removingAndReplacingMembers() {
        var object: JSONObject = ["a": 1, "b": 2, "c": 3]
        object["b"] = nil
        object["a"] = 9
        object["d"] = 4
        #expect(JSON.object(object).text() == #"{"a": 9, "c": 3, "d": 4}"#)
    }
}
