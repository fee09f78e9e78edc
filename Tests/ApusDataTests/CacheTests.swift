import ApusData
import ApusFormats
import ApusTokenizer
import Dispatch
import FileTestSupport
import Synchronization
import Testing

@Suite struct CacheTests {
    let folder: TemporaryFolder
    let data: String
    let cache: DatasetCache

    init() throws {
        folder = try TemporaryFolder()
        data = try folder.write("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"a longer one\"}\n")
        cache = DatasetCache(folder: folder.path, makers: ["{}"])
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
        _ = try load { $0.cache = DatasetCache(folder: folder.path, makers: ["{} "]) }
        #expect(cached.count == 5)
        try folder.write("a.jsonl", "{\"text\": \"two\"}\n{\"text\": \"a longer one\"}\n")
        let changed = try load()
        #expect(cached.count == 6)
        let dated = DatasetCache(folder: folder.path, makers: ["{}", "strftime_now"])
        _ = try load { $0.cache = dated }
        #expect(cached.count == 7)
        #expect(ByteEncoder.text(changed.samples[0].inputIDs) == "<3>two<|im_end|>")
    }

    enum Damage: CaseIterable {
        case cutShort, changedToken, changedHeader, emptied

        func done(to bytes: [UInt8]) -> [UInt8] {
            var bytes = bytes
            switch self {
            case .cutShort: bytes.removeLast(5)
            case .changedToken: bytes[bytes.count / 2] ^= 1
            case .changedHeader: bytes[0] ^= 1
            case .emptied: bytes = []
            }
            return bytes
        }
    }

    @Test(arguments: Damage.allCases)
    func aDamagedFileIsMadeAgain(_ damage: Damage) throws {
        let first = try load()
        let path = FilePaths.join(folder.path, try #require(cached.first))
        #expect(first.cacheUse == .made(path))
        let bytes = try MappedFile(path: path).withBytes { Array($0) }
        let damaged = damage.done(to: bytes)
        _ = try TestBytes.write(damaged, beside: path, name: FilePaths.name(of: path))
        let again = try load()
        #expect(again.cacheUse == .replacedDamaged(path))
        #expect(again.samples.fingerprint == first.samples.fingerprint)
        #expect(try MappedFile(path: path).withBytes { Array($0) } == bytes)
        #expect(try load(encoder: Unused()).cacheUse == .reused(path))
    }

    /// As ranks that begin together do.
    @Test func manyAtOnceMakeOneFile() throws {
        let (path, cache) = (data, cache)
        let fingerprints = Mutex<Set<UInt64?>>([])
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            var options = Dataset.Options()
            options.cache = cache
            let source = DataSource(path: path, kind: .completion())
            let dataset = try? Dataset.load(
                [source], encoder: ByteEncoder(), renderer: nil, options: options)
            _ = fingerprints.withLock { $0.insert(dataset?.samples.fingerprint) }
        }
        let again = try load(encoder: Unused()).samples.fingerprint
        #expect(fingerprints.withLock { $0 } == [again])
        #expect(cached.count == 1)
    }

    @Test func aCacheThatCannotBeWrittenIsAnError() throws {
        let problem = failure {
            _ = try load { $0.cache = DatasetCache(folder: data, makers: []) }
        }
        #expect(problem.contains("a.jsonl"))
    }
}
