import ApusFormats
import FileTestSupport
import Testing

@testable import ApusData

@Suite struct ReadingTests {
    func texts(_ content: String, name: String) throws -> [String] {
        let data = try load(content, .completion(), name: name)
        return (0..<data.samples.count).map { index in
            ByteEncoder.text(data.samples[index].inputIDs.dropFirst().dropLast())
        }
    }

    @Test func jsonLinesWithBlankLinesReturnsAndByteOrderMark() throws {
        let content = "\u{FEFF}{\"text\": \"one\"}\r\n\n   \n{\"text\": \"two\", \"n\": 1}"
        #expect(try texts(content, name: "a.jsonl") == ["one", "two"])
    }

    @Test func patternsReachIntoFolders() throws {
        let folder = try TemporaryFolder()
        try FilePaths.createFolder(folder / "x")
        try FilePaths.createFolder(folder / "x/y")
        for name in ["t", "x/o", "x/y/w", "._t", "x/.h"] { try folder.write("\(name).jsonl", "") }
        func found(_ pattern: String) throws -> [String] {
            try DataPaths.expand(folder / pattern, format: nil).map {
                String($0.dropFirst(folder.path.count + 1))
            }
        }
        let all = ["t.jsonl", "x/o.jsonl", "x/y/w.jsonl"]
        #expect(try found("**/*.jsonl") == all)
        #expect(try found("x/**/*.jsonl") == Array(all.dropFirst()))
        #expect(try found("**/y/**/*.jsonl") == ["x/y/w.jsonl"])
        #expect(try found("*/*.jsonl") == ["x/o.jsonl"])
        // Other programs' hidden notes are no data.
        #expect(try DataPaths.expand(folder.path, format: nil) == [folder / "t.jsonl"])
    }

    @Test func aJSONArray() throws {
        let content = " [ {\"text\": \"one, ]\\\"\"} ,\n {\"text\": \"two\", \"a\": [1, {}]}\n]\n"
        #expect(try texts(content, name: "a.json") == ["one, ]\"", "two"])
        let empty = failure { _ = try load("[]", .completion(), name: "a.json") }
        #expect(empty.contains("there are no records in"))
    }

    @Test func textLines() throws {
        #expect(try texts("one\r\n\n two \nthree", name: "a.txt") == ["one", " two ", "three"])
        let empty = failure { _ = try load(" \n", .completion(), name: "a.txt") }
        #expect(empty.contains("there are no records in"))
    }

    @Test func csv() throws {
        let content = "id,text\r\n1,plain\r\n2,\"with \"\"quotes\"\", commas\nand lines\"\n3,\n"
        #expect(
            try texts(content, name: "a.csv") == [
                "plain", "with \"quotes\", commas\nand lines", "",
            ])
    }

    @Test func parquet() throws {
        let here = FilePaths.folder(of: FilePaths.folder(of: #filePath))
        let path = FilePaths.join(here, "ApusFormatsTests/Goldens/parquet/zstd.parquet")
        let texts = try Dataset.load(
            [DataSource(path: path, kind: .completion(field: "kind"))], encoder: ByteEncoder(),
            renderer: nil)
        #expect(texts.samples.count == 100)
        #expect(ByteEncoder.text(texts.samples[99].inputIDs) == "<3>a<|im_end|>")
        let problem = failure {
            let source = DataSource(path: path, kind: .completion())
            _ = try Dataset.load([source], encoder: ByteEncoder(), renderer: nil)
        }
        #expect(problem.contains("zstd.parquet:4: \"text\" is null, not a string"))
    }

    @Test func brokenLinesAreNamedAllAtOnce() throws {
        let content = "{\"text\": \"good\"}\n{\"text\": \n\n{\"txt\": \"a\"}\n[1]\n{\"text\": 5}\n"
        let folder = try TemporaryFolder()
        let path = try folder.write("a.jsonl", content)
        let problem = failure {
            _ = try Dataset.load(
                [DataSource(path: path, kind: .completion())], encoder: ByteEncoder(), renderer: nil
            )
        }
        #expect(problem.contains("4 records cannot be used"))
        #expect(problem.contains("\(path):2: not valid JSON at column 10"))
        #expect(problem.contains("\(path):4: the record has no \"text\"; it has \"txt\""))
        #expect(problem.contains("\(path):5: an array where an object should stand"))
        #expect(problem.contains("\(path):6: \"text\" is an integer, not a string"))
    }

    @Test func onlyTheFirstFaultsAreListed() throws {
        let content = String(repeating: "{\n", count: 25)
        let error = #expect(throws: DataError.self) { try load(content, .completion()) }
        #expect(error?.count == 25)
        #expect(error?.faults.map(\.line) == Array(1...10))
        #expect(error?.summary.contains("and 15 more") == true)
    }

    @Test(arguments: [
        ("a.json", "[{\"text\": \"a\"}", "the array has no end"),
        ("a.json", "[{\"text\": \"a\"}]\n]", ":2: text after the end of the array"),
        ("a.json", "[{\"text\": \"a\"},\n\n nul]", ":3: element 2 of the array is not valid JSON"),
        ("a.json", "[{\"text\": \"a\"},]", ":1: element 2 of the array"),
        ("a.csv", "text\n\"a\"b\n", ":2: text follows a quoted value"),
        ("a.csv", "text,n\na\n", ":2: 1 values for 2 columns"),
        ("a.csv", "text\n\"a\n", ":2: a quoted value has no end"),
        ("a.csv", "a,a\n1,2\n", "the column \"a\" appears twice"),
        ("a.csv", "txt\na\n", "did you mean"),
    ])
    func brokenFiles(name: String, content: String, problem: String) throws {
        let found = failure { _ = try load(content, .completion(), name: name) }
        let wanted = problem == "did you mean" ? "name the field \"txt\" in the recipe" : problem
        #expect(found.contains(wanted), "\(found)")
    }

    @Test func textInAnotherEncodingIsRefused() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.csv", "text\nx\n")
        let bytes: [UInt8] = Array("good\n".utf8) + [0x66, 0xFC, 0x72, 0x0A]
        let file = try TestBytes.write(bytes, beside: path, name: "b.txt")
        let problem = failure {
            _ = try Dataset.load(
                [DataSource(path: file, kind: .completion())], encoder: ByteEncoder(), renderer: nil
            )
        }
        #expect(problem.contains("b.txt:2: not valid UTF-8"))
    }

    @Test func foldersAndPatterns() throws {
        let folder = try TemporaryFolder()
        try folder.write("b.jsonl", "{\"text\": \"b\"}\n")
        try folder.write("a.jsonl", "{\"text\": \"a\"}\n")
        try folder.write("c.txt", "c\n")
        try folder.write("notes.md", "no data\n")
        func count(_ path: String, _ format: DataFormat? = nil) throws -> Int {
            let source = DataSource(path: path, format: format, kind: .completion())
            return try Dataset.load([source], encoder: ByteEncoder(), renderer: nil).samples.count
        }
        #expect(try count(folder.path) == 3)
        #expect(try count(folder.path, .json) == 2)
        #expect(try count(folder.path + "/*.jsonl") == 2)
        #expect(try count(folder.path + "/notes.md", .text) == 1)
        #expect(failure { _ = try count(folder.path + "/*.csv") }.contains("no file matches"))
        #expect(failure { _ = try count(folder.path + "/x") }.contains("no such file or folder"))
        #expect(failure { _ = try count(folder.path + "/notes.md") }.contains("set ds_type"))
        #expect(failure { _ = try count(folder.path, .csv) }.contains("no data files"))
    }
}
