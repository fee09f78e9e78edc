import ApusBase
import FileTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@testable import ApusFormats

/// Tensors of many pieces, from the disk and out of the page cache.
@Suite struct TensorReadTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static let header = 40
    private static let q8 = StoredFormat.blocks(code: 8, elements: 32, bytes: 34)

    /// Numbers as they may be stored, after some other bytes.
    private func content(_ byteCount: Int) -> [UInt8] {
        var random = SplitMix64(seed: 5)
        // No exponents beyond those of halves.
        let words = (0..<9973).map { _ in random.next() & 0x3BFF_3BFF_3BFF_3BFF }
        let period = words.withUnsafeBytes { Array($0) }
        var content: [UInt8] = []
        while content.count < Self.header + byteCount { content += period }
        return Array(content.prefix(Self.header + byteCount))
    }

    @Test(arguments: [
        (StoredFormat.plain(.float32), DType.float32), (.plain(.float32), .bfloat16),
        (.plain(.bfloat16), .float32), (.plain(.float16), .bfloat16), (q8, .float32),
        (.float8E4M3, .bfloat16),
    ])
    fileprivate func bothWaysReadTheSame(_ format: StoredFormat, _ target: DType) throws {
        let blocks = 5_300_000 / format.block.bytes
        let content = content(blocks * format.block.bytes)
        let file = try MappedFile(path: folder.write("numbers", content))
        // Begins and ends within blocks.
        let elements = 7..<blocks * format.block.elements - 5
        let size = elements.count * target.byteCount
        let wanted = LargePages(byteCount: size)
        content.withUnsafeBytes { bytes in
            let (size, count) = format.block
            let first = elements.lowerBound / size
            let last = (elements.upperBound + size - 1) / size
            let stored = bytes[(Self.header + first * count)..<(Self.header + last * count)]
            format.convert(
                UnsafeRawBufferPointer(rebasing: stored),
                skipping: elements.lowerBound - first * size, as: target,
                into: wanted.bytes)
        }
        for isCached in [false, true] {
            let target = (dtype: target, memory: LargePages(byteCount: size))
            try ReadPipeline.run { pipeline throws(FileError) in
                try format.read(
                    file, offset: Self.header, elements: elements, as: target.dtype,
                    into: target.memory.bytes, through: pipeline, isCached: isCached)
            }
            let order = memcmp(target.memory.bytes.baseAddress!, wanted.bytes.baseAddress!, size)
            #expect(order == 0, "cached: \(isCached)")
        }
    }

    @Test(arguments: [false, true], [DType.float32, .bfloat16])
    func aFileThatEndsEarlyIsTold(_ isCached: Bool, _ target: DType) throws {
        let file = try MappedFile(path: folder.write("short", content(5_000_000)))
        let memory = LargePages(byteCount: 6_000_000)
        #expect(throws: FileError.self) {
            try ReadPipeline.run { pipeline throws(FileError) in
                try StoredFormat.plain(.float32).read(
                    file, offset: Self.header, elements: 0..<1_500_000, as: target,
                    into: UnsafeMutableRawBufferPointer(
                        rebasing: memory.bytes[..<(1_500_000 * target.byteCount)]),
                    through: pipeline, isCached: isCached)
            }
        }
    }

    /// Tensors of all sizes through one pipeline are in their places at the end, though others in
    /// between cannot be read.
    @Test func tensorsShareAPipeline() throws {
        let count = 12_000_000
        let content = content(2 * count)
        let file = try MappedFile(path: folder.write("many", content))
        let (read, wanted) = (LargePages(byteCount: 4 * count), LargePages(byteCount: 4 * count))
        content.withUnsafeBytes {
            NumberConversion.convert(
                .init(rebasing: $0[Self.header...]), .bfloat16, to: wanted.bytes, .float32)
        }
        let behind = count - 900_000..<count + 1
        let other = LargePages(byteCount: 4 * behind.count)
        var random = SplitMix64(seed: 3)
        for _ in 0..<3 {
            memset(read.bytes.baseAddress!, 0, read.bytes.count)
            let failures = ReadPipeline.run { pipeline in
                var (start, failures) = (0, 0)
                while start < count {
                    let end = min(start + Int(random.next() % 2_000_000) + 1, count)
                    for (range, memory) in [(start..<end, read), (behind, other)] {
                        do throws(FileError) {
                            try StoredFormat.plain(.bfloat16).read(
                                file, offset: Self.header, elements: range, as: .float32,
                                into: .init(
                                    rebasing: memory.bytes.dropFirst(
                                        memory === read ? 4 * start : 0)),
                                through: pipeline, isCached: false)
                        } catch {
                            failures += 1
                        }
                    }
                    start = end
                }
                return failures
            }
            #expect(failures > 5)
            #expect(memcmp(read.bytes.baseAddress!, wanted.bytes.baseAddress!, 4 * count) == 0)
        }
    }
}
