import ApusBase
import ApusFormats
import FileTestSupport
import Foundation
import Testing

@testable import ApusCheckpoint

/// A state of several blocks, from the disk and out of the page cache.
@Suite struct BlockReadTests {
    private let folder: TemporaryFolder
    private let memory: LargePages
    /// Elements of each tensor: tensors that begin and end within blocks, and one of many.
    private static let counts = [1_300_000, 10, 2_200_000, 3]

    init() throws {
        folder = try TemporaryFolder(isFast: true)
        memory = LargePages(byteCount: 4 * Self.counts.reduce(0, +))
        // Different everywhere that a mistake could lead: the period is no part of a block.
        var random = SplitMix64(seed: 7)
        let period = 99_991
        for index in 0..<period { memory.bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
        for start in stride(from: period, to: memory.bytes.count, by: period) {
            let count = min(period, memory.bytes.count - start)
            memcpy(memory.bytes.baseAddress! + start, memory.bytes.baseAddress!, count)
        }
        let directory = try CheckpointDirectory(folder.path, peers: SinglePeer())
        let saver = CheckpointSaver(directory, peers: SinglePeer())
        try saver.save(
            CheckpointContent(step: 1, slices: Self.slices(memory.bytes), documents: []))
    }

    /// - skipped: elements that are left out at both ends of the long tensors
    private static func slices(
        _ memory: UnsafeMutableRawBufferPointer, skipping skipped: Int = 0
    ) -> [StateSlice] {
        var start = 0
        return counts.enumerated().map { number, count in
            let elements = count > 10 ? skipped..<count - skipped : 0..<count
            let bytes = start + 4 * elements.lowerBound..<start + 4 * elements.upperBound
            start += 4 * count
            return StateSlice(
                StateKey("\(number).weight"), shape: [count], dtype: .float32, elements: elements,
                memory: UnsafeMutableRawBufferPointer(rebasing: memory[bytes]))
        }
    }

    private func load(
        _ slices: [StateSlice], isCached: Bool, _ checks: CheckpointChecks
    ) throws {
        let checkpoint = try Checkpoint(path: folder / "checkpoint-1", checks: checks)
        checkpoint.isCached = isCached
        _ = try checkpoint.load(slices, peers: SinglePeer(), policy: .weights)
    }

    @Test(arguments: [false, true], CheckpointChecks.allCases)
    func everythingIsRead(_ isCached: Bool, _ checks: CheckpointChecks) throws {
        let target = LargePages(byteCount: memory.bytes.count)
        try load(Self.slices(target.bytes), isCached: isCached, checks)
        #expect(target.bytes.isEqual(to: memory.bytes))
    }

    @Test(arguments: [false, true])
    func partsAreRead(_ isCached: Bool) throws {
        let target = LargePages(byteCount: memory.bytes.count)
        let parts = Self.slices(target.bytes, skipping: 1001)
        try load(parts, isCached: isCached, .hashes)
        for (part, wanted) in zip(parts, Self.slices(memory.bytes, skipping: 1001)) {
            #expect(part.memory.isEqual(to: wanted.memory), "\(part.key)")
        }
        #expect(target.bytes[..<4000].allSatisfy { $0 == 0 })
    }

    @Test(arguments: [false, true])
    func aDamagedBlockIsNamed(_ isCached: Bool) throws {
        let path = folder / "checkpoint-1/state-00000-of-00001.safetensors"
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: 9_000_000)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: 9_000_000)
        try file.write(contentsOf: Data([byte ^ 1]))
        try file.close()
        let target = LargePages(byteCount: memory.bytes.count)
        let message = failure {
            try load(Self.slices(target.bytes), isCached: isCached, .hashes)
        }
        #expect(message.contains("offset \(2 * BlockHashes.size): the 4194304 bytes"), "\(message)")
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func isEqual(to other: Self) -> Bool {
        count == other.count && memcmp(baseAddress!, other.baseAddress!, count) == 0
    }
}
