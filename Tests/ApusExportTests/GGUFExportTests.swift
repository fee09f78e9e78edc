import ApusBase
import ApusFormats
import ApusTokenizer
import Testing

@testable import ApusExport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What `Tools/goldens/gguf_export.py` made with the `gguf` package.
private func golden(_ name: String) -> String {
    FilePaths.join(FilePaths.folder(of: #filePath), "Goldens/" + name)
}

@Suite struct GGUFExportTests {
    private let path = "/tmp/apus-export-\(getpid())-\(UInt64.random(in: 0 ... .max)).gguf"

    private func export(_ element: GGUFElement) throws -> GGUFFile {
        try GGUFExport(folder: golden("llama"), element: element).write(to: path)
        // The open file outlives its name.
        defer { unlink(path) }
        return try GGUFFile(path: path)
    }

    @Test func tensorsAndNamesAreThoseOfLlamaCpp() throws {
        let file = try export(.f32)
        let expected = try SafetensorsFile(path: golden("llama.safetensors"))
        #expect(Set(file.names) == Set(expected.names))
        for name in expected.names {
            #expect(file.entry(name)?.shape == expected.entry(name)?.shape, "\(name)")
            let (ours, theirs) = (try file.floats(name), try expected.floats(name))
            // transformers computes the divisors in fp32.
            let bound: Float = name == "rope_freqs.weight" ? 1e-4 : 0
            #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) <= bound }, "\(name)")
        }
        #expect(file.names.first == "rope_freqs.weight" && file.names.last == "output.weight")
    }

    @Test func metadataDescribesTheModel() throws {
        let file = try export(.bf16)
        #expect(file["general.architecture"]?.stringValue == "llama")
        #expect(file["general.file_type"]?.intValue == 32)
        #expect(file["llama.attention.head_count_kv"]?.intValue == 1)
        #expect(file["llama.attention.key_length"]?.intValue == 16)
        #expect(file["llama.rope.freq_base"]?.doubleValue == 500_000)
        #expect(file.entry("blk.0.attn_q.weight")?.format == "BF16")
        #expect(file.entry("blk.0.attn_norm.weight")?.format == "F32")
    }

    @Test func theTokenizerSurvives() throws {
        let file = try export(.f16)
        let (ours, theirs) = (try Tokenizer(gguf: file), try Tokenizer(folder: golden("llama")))
        for text in ["the red planet", "Größe 12345 🪐\n\n", "<|end|>planet <|begin|>", ""] {
            #expect(ours.encode(text) == theirs.encode(text), "\(text)")
        }
        #expect(ours.configuration.chatTemplate == theirs.configuration.chatTemplate)
        let tokens = try #require(file["tokenizer.ggml.tokens"]?.arrayValue?.strings)
        #expect(tokens.count == 288 && tokens[287] == "[PAD287]")
    }

    @Test func fourBitsLeaveEmbeddingAndNarrowRowsInEight() throws {
        let small = try export(.q4_0)
        #expect(small.entry("blk.0.attn_q.weight")?.format == "Q4_0")
        #expect(small.entry("token_embd.weight")?.format == "Q8_0")
        // Rows of 32 do not fill a block of 256.
        #expect(try export(.q4_K).entry("blk.0.attn_q.weight")?.format == "Q8_0")
        let original = try SafetensorsFile(path: golden("llama.safetensors"))
        for (name, bound) in [("blk.1.ffn_up.weight", Float(0.2)), ("output.weight", 0.01)] {
            let error = relativeError(try small.floats(name), try original.floats(name))
            #expect(error < bound && error > 0, "\(name): \(error)")
        }
    }

    @Test func otherKindsHaveTheNamesOfTheReference() throws {
        let kinds = try JSON.parse(MappedFile(path: golden("names.json")).withBytes { Array($0) })
        for (kind, value) in try #require(kinds.objectValue).members {
            let config = try #require(value["config"]?.objectValue)
            let architecture = try GGUFArchitecture(config, path: kind)
            #expect(architecture.naming.architecture == value["architecture"]?.stringValue)
            for (name, target) in try #require(value["names"]?.objectValue).members {
                let place = architecture.naming.place(of: name)
                #expect(place?.tensor == target.stringValue, "\(kind): \(name)")
            }
        }
    }

    @Test func kindsThatAreNotKnownAreRefused() throws {
        let error = #expect(throws: FileError.self) {
            _ = try GGUFArchitecture(["model_type": "mamba"], path: "config.json")
        }
        #expect(error?.problem == "models of type mamba are not written as GGUF")
    }
}

/// The encoders of blocks.
@Suite struct BlockEncodingTests {
    private let values: [Float]
    private let file: SafetensorsFile

    init() throws {
        file = try SafetensorsFile(path: golden("blocks.safetensors"))
        values = try file.floats("values")
    }

    /// The values in this format, and the bytes of their blocks.
    private func encoded(_ element: GGUFElement) throws -> (file: GGUFFile, blocks: [UInt8]) {
        let path = "/tmp/apus-blocks-\(getpid())-\(UInt64.random(in: 0 ... .max)).gguf"
        defer { unlink(path) }
        let tensor = GGUFWriter.Tensor("x", element, shape: [24, 256])
        let writer = try GGUFWriter(path: path, metadata: [], tensors: [tensor])
        try values.withUnsafeBufferPointer { try writer.write("x", $0) }
        try writer.finish()
        let file = try GGUFFile(path: path)
        let range = try #require(file.entry("x")).byteRange
        return (file, try MappedFile(path: path).withBytes { Array($0[range]) })
    }

    @Test(arguments: [GGUFElement.q8_0, .q4_0])
    func blocksHaveTheBitsOfTheReference(element: GGUFElement) throws {
        let expected = try #require(file.entry(element.rawValue)).byteRange
        let theirs = file.file.withBytes { Array($0[expected]) }
        #expect(try encoded(element).blocks == theirs)
    }

    @Test func superBlocksAreNearerThanPlainOnes() throws {
        // The first rows, of even size: outliers come behind them.
        let even = 11 * 256
        let original = Array(values[even...])
        func error(_ element: GGUFElement) throws -> Float {
            relativeError(Array(try encoded(element).file.floats("x")[even...]), original)
        }
        let (eight, four, searched) = (try error(.q8_0), try error(.q4_0), try error(.q4_K))
        #expect(eight < 0.01)
        #expect(searched < 0.08 && searched < four * 0.85, "\(searched) and \(four)")
        // Zeros stay zeros.
        #expect(try encoded(.q4_K).file.floats("x")[(8 * 256)..<(9 * 256)].allSatisfy { $0 == 0 })
    }
}

/// Root mean square of the difference over that of the values.
private func relativeError(_ ours: [Float], _ theirs: [Float]) -> Float {
    var (difference, size): (Float, Float) = (0, 0)
    for (a, b) in zip(ours, theirs) {
        difference += (a - b) * (a - b)
        size += b * b
    }
    return (difference / size).squareRoot()
}
