import ApusData
import ApusFormats
import ApusTokenizer
import Testing

@Suite struct CacheTests {
    let folder: TemporaryFolder
    let data: String
    let tokenizer: String
    let cache: DatasetCache

    init() throws {
        folder = try TemporaryFolder()
        data = try folder.write("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"a longer one\"}\n")
        tokenizer = try folder.write("tokenizer.json", "{}")
        cache = DatasetCache(folder: folder.path, tokenizerFiles: [tokenizer])
    }

    var cached: [String] {
        ((try? FilePaths.names(in: folder.path)) ?? []).filter { $0.hasPrefix("tokens-") }
    }

    func load(
        _ kind: SampleKind = .completion(), encoder: any TextEncoder = ByteEncoder(),
        change: (inout Dataset.Options) -> Void = { _ in }
    ) throws -> Dataset {
        var options = Dataset.Options()
        options.cache = cache
        change(&options)
        let source = DataSource(path: data, kind: kind)
        return try Dataset.load([source], encoder: encoder, renderer: ChatML(), options: options)
    }

    /// Fails the test when it is asked to encode.
    struct Unused: TextEncoder {
        func encode(_ text: String, addSpecialTokens: Bool) -> [Int32] {
            Issue.record("the text was encoded again")
            return []
        }
        func encodeWithOffsets(_ text: String, addSpecialTokens: Bool) -> Encoding {
            Issue.record("the text was encoded again")
            return Encoding()
        }
        var endOfTextID: Int32? { nil }
    }

    @Test func theSecondTimeNothingIsEncoded() throws {
        let first = try load { $0.sequenceLength = 5 }
        let second = try load(encoder: Unused()) { $0.sequenceLength = 5 }
        #expect(first.report == second.report && first.report.dropped == [.tooLong: 1])
        #expect(first.samples.fingerprint == second.samples.fingerprint)
        #expect(second.samples[0] == first.samples[0])
        #expect(second.samples.trainedCount(0) == 4)
        #expect(cached.count == 1)
    }

    @Test func whateverMattersMakesAnother() throws {
        _ = try load()
        _ = try load { $0.sequenceLength = 100 }
        _ = try load { $0.excessLength = .truncate }
        _ = try load { $0.vocabularySize = 1000 }
        #expect(cached.count == 4)
        try folder.write("tokenizer.json", "{} ")
        _ = try load()
        #expect(cached.count == 5)
        try folder.write("a.jsonl", "{\"text\": \"two\"}\n{\"text\": \"a longer one\"}\n")
        let changed = try load()
        #expect(cached.count == 6)
        #expect(ByteEncoder.text(changed.samples[0].inputIDs) == "<3>two<|im_end|>")
    }

    @Test func aDamagedFileIsMadeAgain() throws {
        let first = try load()
        let path = FilePaths.join(folder.path, try #require(cached.first))
        let bytes = try MappedFile(path: path).withBytes { Array($0) }
        _ = try TestBytes.write(
            Array(bytes.dropLast(5)), beside: path, name: FilePaths.name(of: path))
        let again = try load()
        #expect(again.samples.fingerprint == first.samples.fingerprint)
        #expect(try MappedFile(path: path).withBytes { Array($0) } == bytes)
    }

    @Test func aCacheThatCannotBeWrittenIsAnError() throws {
        let problem = failure {
            _ = try load { $0.cache = DatasetCache(folder: tokenizer, tokenizerFiles: []) }
        }
        #expect(problem.contains("tokenizer.json"))
    }
}
