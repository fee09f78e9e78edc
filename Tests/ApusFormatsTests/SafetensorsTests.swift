import ApusBase
import ApusFormats
import FileTestSupport
import Testing

@Suite struct SafetensorsTests {
    @Test func readsWhatTheReferenceWrote() throws {
        let file = try SafetensorsFile(path: golden("all-dtypes.safetensors"))
        #expect(file.metadata == ["format": "pt"])
        #expect(file.names.count == 16)
        #expect(file.entry("scalar")?.shape == [])
        #expect(try file.floats("scalar") == [2.5])
        #expect(file.entry("empty")?.shape == [0, 4])
        #expect(try file.floats("empty") == [])
        #expect(file.entry("e4m3")?.dtype == nil)
        #expect(file.entry("e4m3")?.format == "F8_E4M3")
        #expect(file.entry("long")?.dtype == .int64)
        #expect(try read(file, "short", 1..<3, as: .int16) == [1, 0, 2, 0])
        let doubled = try file.floats("z.float32").map { $0 * 2 }
        #expect(try file.floats("a.float32") == doubled)
    }

    @Test func float8DecodesEveryCode() throws {
        let file = try SafetensorsFile(path: golden("float8.safetensors"))
        for name in ["e4m3", "e5m2"] {
            let ours = try file.floats(name)
            let theirs = try file.floats(name + ".decoded")
            for (code, (our, their)) in zip(ours, theirs).enumerated() {
                let isSame = our.bitPattern == their.bitPattern || (our.isNaN && their.isNaN)
                #expect(isSame, "\(name) \(code)")
            }
        }
    }

    @Test func writesTheBytesOfTheReference() throws {
        let path = golden("all-dtypes.safetensors")
        let source = try SafetensorsFile(path: path)
        let folder = try TemporaryFolder()
        let copy = folder / "copy.safetensors"
        // Declared in another order, written in a third one and in pieces.
        let tensors = try source.names.sorted().map { name in
            let entry = try #require(source.entry(name))
            let dtype = try #require(SafetensorsDType(rawValue: entry.format))
            return SafetensorsWriter.Tensor(name, dtype, shape: entry.shape)
        }
        let writer = try SafetensorsWriter(path: copy, tensors: tensors)
        #expect(writer.names == source.names)
        for name in source.names.reversed() {
            let raw = UnsafeRawBufferPointer(
                rebasing: source.file.unsafeBytes[try #require(source.entry(name)).byteRange])
            let half = raw.count / 2
            try writer.write(name, UnsafeRawBufferPointer(rebasing: raw[..<half]))
            try writer.write(name, UnsafeRawBufferPointer(rebasing: raw[half...]))
        }
        #expect(!FilePaths.isFile(copy))
        try writer.finish()
        #expect(try bytes(copy) == bytes(path))
    }

    @Test func writerConverts() throws {
        let folder = try TemporaryFolder()
        let path = folder / "t.safetensors"
        let values = (0..<100_000).map { Float($0) * 0.37 }
        let writer = try SafetensorsWriter(
            path: path, tensors: [.init("t", .bf16, shape: [1000, 100])])
        try values.withUnsafeBytes { try writer.write("t", $0, of: .float32) }
        try writer.finish()
        let file = try SafetensorsFile(path: path)
        let read = try file.floats("t")
        #expect(zip(read, values).allSatisfy { abs($0 - $1) <= $1 / 256 })
        #expect(read != values)
    }

    @Test func anEmptyFileOfTensors() throws {
        let folder = try TemporaryFolder()
        let path = folder / "none.safetensors"
        try SafetensorsWriter(path: path, tensors: [], metadata: [:]).finish()
        #expect(try bytes(path).count == 16)
        #expect(try SafetensorsFile(path: path).names == [])
    }
}

@Suite struct HostileSafetensorsTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    func problem(_ header: String, data: Int = 0) throws -> String {
        let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        return try problem(length + Array(header.utf8) + [UInt8](repeating: 0, count: data))
    }

    func problem(_ bytes: [UInt8]) throws -> String {
        let path = try folder.write("t.safetensors", bytes)
        return failure { _ = try SafetensorsFile(path: path) }
    }

    func tensor(_ fields: String) throws -> String { try problem("{\"t\":{\(fields)}}", data: 8) }

    @Test func goodHeaders() throws {
        #expect(try problem("{}") == "no error")
        #expect(try problem("{}    ") == "no error")
        let good = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"
        #expect(try tensor(good) == "no error")
    }

    @Test func lengthFaults() throws {
        #expect(try problem([]).contains("0 bytes are too few"))
        #expect(try problem([1, 0, 0, 0, 0, 0, 0]).contains("7 bytes are too few"))
        #expect(try problem([UInt8](repeating: 0, count: 8)).contains("holds nothing"))
        #expect(try problem([UInt8](repeating: 255, count: 8)).contains("larger than 100000000"))
        #expect(try problem([9, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D]).contains("the file has 2 left"))
    }

    @Test func headerFaults() throws {
        #expect(try problem(" {}").contains("offset 8: the header does not begin with '{'"))
        #expect(try problem("{\"a\":}").contains("offset 13: the header is not valid JSON"))
        let twice = "{\"t\":{},\"t\":{}}"
        #expect(try problem(twice).contains("\"t\" appears twice"))
        #expect(try problem("{\"__metadata__\":[]}").contains("an array, not an object"))
        #expect(try problem("{\"__metadata__\":{\"a\":1}}").contains("\"a\" is an integer"))
        #expect(try problem("{\"t\":5}").contains("described by an integer"))
        let broken = [10, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xFF] + Array("\":null}".utf8)
        #expect(try problem(broken).contains("string that is not valid UTF-8"))
    }

    @Test func tensorFaults() throws {
        #expect(try tensor("\"dtype\":\"F32\",\"shape\":[2]").contains("has no data_offsets"))
        #expect(
            try tensor("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1")
                .contains("unknown field \"x\""))
        func fields(_ dtype: String, _ shape: String, _ offsets: String) throws -> String {
            try tensor("\"dtype\":\(dtype),\"shape\":\(shape),\"data_offsets\":\(offsets)")
        }
        #expect(try fields("\"F33\"", "[2]", "[0,8]").contains("unknown dtype \"F33\""))
        #expect(try fields("3", "[2]", "[0,8]").contains("dtype is an integer"))
        #expect(try fields("\"F32\"", "[-2]", "[0,8]").contains("shape holds something else"))
        #expect(try fields("\"F32\"", "[2.0]", "[0,8]").contains("shape holds something else"))
        #expect(try fields("\"F32\"", "2", "[0,8]").contains("shape is not an array"))
        #expect(try fields("\"F32\"", "[2]", "[0,8,9]").contains("3 numbers instead of 2"))
        #expect(try fields("\"F32\"", "[2]", "[8,0]").contains("ends at 0, begins at 8"))
        #expect(try fields("\"F32\"", "[3]", "[0,8]").contains("has 12 bytes, data_offsets give 8"))
        let large = "[4294967296,4294967296]"
        #expect(try fields("\"F32\"", large, "[0,8]").contains("larger than any memory"))
        #expect(try fields("\"F4\"", "[3]", "[0,1]").contains("does not fill whole bytes"))
        #expect(try fields("\"F32\"", "[1]", "[0,4]").contains("4 bytes follow after"))
        #expect(try fields("\"F32\"", "[1]", "[4,8]").contains("leaves a hole"))
        #expect(
            try fields("\"F32\"", "[4]", "[0,16]").contains("need 16 bytes of data, the file has 8")
        )
    }

    @Test func overlapsAreRefused() throws {
        let a = "\"a\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}"
        let b = "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}"
        #expect(try problem("{\(a),\(b)}", data: 8).contains("\"b\" begins at 4 and overlaps"))
    }
}
