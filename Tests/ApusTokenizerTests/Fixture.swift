import ApusBase
import ApusFormats
import ApusTokenizer

/// A file that `Tools/goldens/tokenizer.py` wrote: a `tokenizer.json` and what the reference
/// library made of some texts.
struct Fixture {
    let tokenizerJSON: JSON
    let cases: [Case]

    struct Case {
        let text: String
        let ids: [Int32]
        let offsets: [Range<Int>]
        /// Without special tokens around the text.
        let plain: [Int32]
        let decoded: String
        let skipped: String
    }

    init(_ name: String) throws {
        try self.init(Fixture.json(name + ".json"))
    }

    init(_ root: JSON) throws {
        tokenizerJSON = try required(root["tokenizer"])
        cases = try required(root["cases"]?.arrayValue).map { node in
            Case(
                text: try required(node["text"]?.stringValue), ids: try ids(node["ids"]),
                offsets: try required(node["offsets"]?.arrayValue).map { pair in
                    let ends = try ids(pair)
                    return Int(ends[0])..<Int(ends[1])
                },
                plain: try ids(node["plain"]),
                decoded: try required(node["decoded"]?.stringValue),
                skipped: try required(node["skipped"]?.stringValue))
        }
    }

    func tokenizer() throws -> Tokenizer {
        try Tokenizer(tokenizerJSON: tokenizerJSON.text(), file: "tokenizer.json")
    }

    static let folder = FilePaths.join(FilePaths.folder(of: #filePath), "Fixtures")

    static func json(_ name: String) throws -> JSON {
        try MappedFile(path: FilePaths.join(folder, name)).withBytes { try JSON.parse($0) }
    }
}

struct MissingFixtureValue: Error {}

func required<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw MissingFixtureValue() }
    return value
}

func ids(_ node: JSON?) throws -> [Int32] {
    try required(node?.arrayValue).map { Int32(try required($0.intValue)) }
}

extension String {
    /// Equality of bytes; `==` calls two normal forms of one text equal.
    func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
