import ApusBase
import ApusFormats
import Testing

/// Damaged files: each is refused with an error or read, never a crash.
@Suite struct FuzzTests {
    static let mutations = 1500

    /// Flips bytes, cuts, repeats and overwrites with the numbers that parsers stumble over.
    func mutate(_ original: [UInt8], header: Int, _ random: inout SplitMix64) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !bytes.isEmpty else { return bytes }
            let position = Int.random(in: 0..<min(header, bytes.count), using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.removeSubrange(position...)
            case 3: bytes.insert(contentsOf: bytes[0..<position].suffix(20), at: position)
            default:
                for at in position..<min(position + 8, bytes.count) {
                    bytes[at] = at == position + 7 ? 0x7F : 0xFF
                }
            }
        }
        return bytes
    }

    func run(
        _ name: String, header: Int, seed: UInt64, mutations: Int = Self.mutations,
        open: (String) throws -> any TensorSource
    ) throws {
        let folder = try TemporaryFolder()
        let original = try bytes(golden(name))
        var random = SplitMix64(seed: seed)
        var refused = 0
        for _ in 0..<mutations {
            let path = try folder.write("f", mutate(original, header: header, &random))
            do {
                let source = try open(path)
                for name in source.names { _ = try? source.floats(name) }
            } catch is FileError {
                refused += 1
            }
        }
        #expect(refused > mutations / 4)
    }

    @Test func gguf() throws {
        try run("all-types.gguf", header: 1900, seed: 11) { try GGUFFile(path: $0) }
    }

    @Test(arguments: ["weights.bin", "deflated.pt", "legacy.pt", "values-5.pt", "optimizer.bin"])
    func pytorch(name: String) throws {
        try run("pytorch/" + name, header: 6200, seed: 13, mutations: 300) {
            try PickledTensors(path: $0)
        }
    }

    @Test func safetensors() throws {
        try run("all-dtypes.safetensors", header: 1100, seed: 12) { try SafetensorsFile(path: $0) }
    }
}
