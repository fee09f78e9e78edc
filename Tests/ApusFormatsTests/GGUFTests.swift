import ApusBase
import ApusFormats
import FileTestSupport
import Testing

@Suite struct GGUFTests {
    let file: GGUFFile
    let expected: SafetensorsFile

    init() throws {
        file = try GGUFFile(path: golden("all-types.gguf"))
        expected = try SafetensorsFile(path: golden("all-types-decoded.safetensors"))
    }

    @Test func everyBlockTypeDecodesToTheBitsOfTheReference() throws {
        #expect(expected.names.count == 17)
        for name in expected.names {
            #expect(floats(try file.floats(name)) == floats(try expected.floats(name)), "\(name)")
            #expect(file.entry(name)?.shape == expected.entry(name)?.shape, "\(name)")
        }
    }

    @Test func aSliceCanBeReadAlone() throws {
        for name in expected.names where name != "F32" && name != "F16" && name != "BF16" {
            let whole = try expected.floats(name)
            let ranges = [0..<1, 31..<33, 255..<257, 256..<512, 100..<400, 511..<512, 7..<7]
            for range in ranges {
                let slice = try read(file, name, range, as: .float32)
                let wanted = Array(whole[range]).withUnsafeBytes { Array($0) }
                #expect(slice == wanted, "\(name) \(range)")
            }
        }
    }

    @Test(arguments: [DType.float16, .bfloat16, .float64])
    func blocksDecodeIntoOtherTypes(dtype: DType) throws {
        let wanted = try read(expected, "Q4_K", 3..<500, as: dtype)
        #expect(try read(file, "Q4_K", 3..<500, as: dtype) == wanted)
    }

    @Test func metadataOfEveryType() throws {
        #expect(file["general.architecture"]?.stringValue == "llama")
        #expect(file["test.uint8"] == .uint8(200))
        #expect(file["test.int8"] == .int8(-100))
        #expect(file["test.uint16"] == .uint16(60000))
        #expect(file["test.int16"] == .int16(-30000))
        #expect(file["test.uint32"]?.intValue == 4_000_000_000)
        #expect(file["test.int32"]?.intValue == -2_000_000_000)
        #expect(file["test.uint64"] == .uint64(.max))
        #expect(file["test.uint64"]?.intValue == nil)
        #expect(file["test.int64"]?.intValue == -9_000_000_000_000_000_000)
        #expect(file["test.float32"]?.doubleValue == Double(Float(0.1)))
        #expect(file["test.float64"]?.doubleValue == 0.1)
        #expect(file["test.bool"]?.boolValue == true)
        #expect(file["test.string"]?.stringValue == "grüße 🐦")
        #expect(file["test.ints"]?.arrayValue?.ints == [1, -2, 3])
        #expect(file["test.floats"]?.arrayValue?.floats == [0.5, -1.25])
        #expect(file["test.bools"]?.arrayValue?.bools == [true, false])
        #expect(file["test.missing"] == nil)
    }

    @Test func stringsKeepTheirBytes() throws {
        let strings = try file.require("test.strings") { $0.arrayValue?.strings }
        let bytes = strings.map { Array($0.utf8) }
        #expect(bytes == ["a", "", "Ġthe", "e\u{301}", "\u{e9}"].map { Array($0.utf8) })
    }

    @Test func missingAndMistypedValuesAreNamed() {
        #expect(failure { _ = try file.require("no.key", \.intValue) }.contains("no \"no.key\""))
        #expect(
            failure { _ = try file.require("test.string", \.intValue) }.contains("unexpected type"))
    }

    @Test func integersAreReadOnlyAsTheyAre() throws {
        let raw = try read(file, "I32", 1..<3, as: .int32)
        #expect(raw == [1, 0, 0, 0, 2, 0, 0, 0])
        let problem = failure { _ = try read(file, "I32", 0..<5, as: .float32) }
        #expect(problem.contains("\"I32\" holds I32, which cannot be read as float32"))
        #expect(failure { _ = try read(file, "Q4_0", 0..<1, as: .int32) }.contains("holds Q4_0"))
    }

    @Test func anUnknownNameSuggestsTheNearest() {
        let error = #expect(throws: FileError.self) { try read(file, "Q4_k", 0..<0, as: .float32) }
        #expect(error?.summary.contains("has no tensor \"Q4_k\"") == true)
        #expect(error?.remedy?.contains("Q4_") == true)
    }
}

/// Files made wrong in one place.
@Suite struct HostileGGUFTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A file with one float32 tensor "t", built by hand.
    struct Builder {
        var magic: [UInt8] = Array("GGUF".utf8)
        var version: UInt32 = 3
        var tensorCount: UInt64 = 1
        var pairCount: UInt64 = 0
        var pairs: [UInt8] = []
        var dimensions: [UInt64] = [4]
        var type: UInt32 = 0
        var offset: UInt64 = 0
        var repeats = 1
        var data = [UInt8](repeating: 0, count: 16)

        var bytes: [UInt8] {
            var out = magic + le(version) + le(tensorCount) + le(pairCount) + pairs
            for _ in 0..<repeats {
                out += string("t") + le(UInt32(dimensions.count))
                for dimension in dimensions { out += le(dimension) }
                out += le(type) + le(offset)
            }
            while out.count % 32 != 0 { out.append(0) }
            return out + data
        }
    }

    func problem(_ change: (inout Builder) -> Void) throws -> String {
        var builder = Builder()
        change(&builder)
        let path = try folder.write("t.gguf", builder.bytes)
        return failure { _ = try GGUFFile(path: path) }
    }

    @Test func theUnchangedFileIsFine() throws {
        #expect(try problem { _ in } == "no error")
        #expect(try problem { $0.version = 2 } == "no error")
    }

    @Test func headerFaults() throws {
        #expect(try problem { $0.magic = Array("GGML".utf8) }.contains("offset 0: does not begin"))
        #expect(try problem { $0.version = 1 }.contains("offset 4: GGUF version 1"))
        #expect(try problem { $0.version = 3 << 24 }.contains("big-endian"))
        #expect(try problem { $0.tensorCount = .max }.contains("offset 8: the number of tensors"))
        #expect(try problem { $0.pairCount = 1 << 40 }.contains("number of metadata values"))
        #expect(
            try problem {
                $0.tensorCount = 2
                $0.repeats = 2
            }.contains("\"t\" appears twice"))
    }

    @Test func tensorFaults() throws {
        #expect(
            try problem { $0.dimensions = [.max] }.contains("dimension of 18446744073709551615"))
        #expect(
            try problem { $0.dimensions = [1 << 40, 1 << 40] }.contains("larger than any memory"))
        #expect(try problem { $0.dimensions = [1 << 61] }.contains("larger than any memory"))
        #expect(try problem { $0.dimensions = [1, 1, 1, 1, 1] }.contains("5 dimensions"))
        #expect(try problem { $0.dimensions = [5] }.contains("ends outside the file"))
        #expect(try problem { $0.offset = 32 }.contains("ends outside the file"))
        #expect(try problem { $0.offset = .max - 31 }.contains("ends outside the file"))
        #expect(try problem { $0.offset = 4 }.contains("no multiple of the alignment"))
        #expect(try problem { $0.type = 2 }.contains("no multiple of Q4_0's block of 32"))
        #expect(try problem { $0.type = 4 }.contains("ggml type 4"))
        #expect(try problem { $0.data = [] }.contains("ends outside the file"))
    }

    @Test func metadataFaults() throws {
        func pair(_ key: [UInt8], _ type: UInt32, _ value: [UInt8]) -> (inout Builder) -> Void {
            { builder in
                builder.pairCount = 1
                builder.pairs = key + le(type) + value
            }
        }
        let key = string("k")
        #expect(try problem(pair(key, 13, [])).contains("unknown type 13"))
        #expect(try problem(pair(key, 7, [2])).contains("neither false nor true"))
        #expect(try problem(pair(key, 8, le(UInt64.max))).contains("more than the rest"))
        #expect(
            try problem(pair(key, 8, le(UInt64(2)) + [0xC3, 0x28])).contains("not valid UTF-8"))
        #expect(
            try problem(pair(key, 9, le(UInt32(8)) + le(UInt64(1) << 60))).contains("more than"))
        #expect(
            try problem(pair(key, 9, le(UInt32(4)) + le(UInt64(1) << 62))).contains("more than"))
        #expect(
            try problem(pair(key, 9, le(UInt32(99)) + le(UInt64(0)))).contains(
                "elements of the unknown"))
        var nested: [UInt8] = []
        for _ in 0..<9 { nested += le(UInt32(9)) + le(UInt64(1)) }
        #expect(try problem(pair(key, 9, nested)).contains("deeper than 4"))
        let alignment = string("general.alignment")
        #expect(try problem(pair(alignment, 4, le(UInt32(33)))).contains("no power of two"))
        #expect(try problem(pair(alignment, 4, le(UInt32(0)))).contains("no power of two"))
    }

    @Test func everyTruncationIsRefused() throws {
        let whole = Builder().bytes
        for length in 0..<whole.count {
            let path = try folder.write("cut.gguf", Array(whole[..<length]))
            #expect(failure { _ = try GGUFFile(path: path) } != "no error", "\(length)")
        }
    }
}

private func le(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}

private func string(_ text: String) -> [UInt8] { le(UInt64(text.utf8.count)) + Array(text.utf8) }
