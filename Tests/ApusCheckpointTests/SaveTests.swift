import ApusBase
import ApusFormats
import FileTestSupport
import Testing

@testable import ApusCheckpoint

@Suite struct SaveTests {
    /// Ranks and stage that write, ranks and stage that read.
    struct Change: CustomStringConvertible, Sendable {
        var writers = 4
        var writtenStage = 3
        var readers: Int
        var readStage: Int

        var description: String {
            "\(writers) ranks of stage \(writtenStage) to \(readers) of stage \(readStage)"
        }

        static let all =
            [1, 2, 3, 4].flatMap { ranks in
                (0...3).map { Change(readers: ranks, readStage: $0) }
            }
            + [1, 2, 3].flatMap { ranks in
                (0...3).map {
                    Change(writers: ranks, writtenStage: $0, readers: 4, readStage: 3)
                }
            }
    }

    @Test(arguments: Change.all)
    func anyNumberOfRanksReadsWhatAnyWrote(_ change: Change) throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([5], into: folder.path, stage: change.writtenStage, ranks: change.writers)
        let newest = try #require(try CheckpointDirectory.newest(in: folder.path))
        #expect(newest == folder / "checkpoint-5")
        #expect(
            try loads(newest, value: 5, stage: change.readStage, ranks: change.readers))
        #expect(folder.names == [".checkpoints.lock", "checkpoint-5", "latest"])
    }

    /// What several ranks hold is written once, each writing its part.
    @Test func replicasShareTheWork() throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([1], into: folder.path, stage: 0, ranks: 3)
        let manifest = try Checkpoint(path: folder / "checkpoint-1").manifest
        let sizes = manifest.files.filter { $0.name.hasPrefix("state-") }.map(\.byteCount)
        #expect(sizes.count == 3)
        let values = manifest.tensors.reduce(0) { $0 + $1.elementCount * $1.dtype.byteCount }
        let held = manifest.tensors.flatMap { tensor in
            tensor.slices.map { ($0.file, $0.elements.count * tensor.dtype.byteCount) }
        }
        for file in manifest.files.indices where manifest.files[file].name.hasPrefix("state-") {
            let bytes = held.reduce(0) { $0 + ($1.0 == file ? $1.1 : 0) }
            #expect(abs(bytes - values / 3) <= 8)
        }
    }

    /// Any tool that reads safetensors can open the parts.
    @Test func aWholeWeightHasItsPlainName() throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([1], into: folder.path)
        let part = try SafetensorsFile(
            path: folder / "checkpoint-1/state-00000-of-00001.safetensors")
        #expect(part.entry("layers.0.up.weight")?.shape == [11, 5])
        #expect(part.entry("layers.0.up.weight#firstMoment")?.shape == [11, 5])
    }

    @Test func theSecondSaveInTheBackgroundFollowsTheFirst() throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([1, 2, 3], into: folder.path, stage: 2, ranks: 2) { $0.isAsynchronous = true }
        for step in [1, 2, 3] {
            #expect(try loads(folder / "checkpoint-\(step)", value: step, stage: 1, ranks: 3))
        }
    }

    /// Training changes the state as soon as the call returns.
    @Test func theBackgroundSaveIsOfTheMomentOfTheCall() throws {
        let folder = try TemporaryFolder(isFast: true)
        let peers = SinglePeer()
        var options = CheckpointSaver.Options()
        options.isAsynchronous = true
        let directory = try CheckpointDirectory(folder.path, peers: peers)
        let saver = CheckpointSaver(directory, peers: peers, options: options)
        let state = TestState(stage: 3, rank: 0, ranks: 1, value: 1)
        try saver.save(state, step: 1)
        for slice in state.slices { slice.memory.initializeMemory(as: UInt8.self, repeating: 7) }
        while saver.lastSaved == nil { try saver.poll() }
        #expect(try loads(folder / "checkpoint-1", value: 1))
    }

    @Test func aStepThatIsSavedAgainReplacesTheOld() throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([1], into: folder.path, ranks: 2)
        let old = try Checkpoint(path: folder / "checkpoint-1").manifest.id
        try save([1], into: folder.path, ranks: 3)
        #expect(try Checkpoint(path: folder / "checkpoint-1").manifest.id != old)
        #expect(try loads(folder / "checkpoint-1", value: 1))
        #expect(folder.names == [".checkpoints.lock", "checkpoint-1", "latest"])
    }

    @Test func theLimitKeepsTheNewestAndTheBest() throws {
        let folder = try TemporaryFolder(isFast: true)
        try save(
            [1, 2, 3, 4, 5], into: folder.path, sparing: 2
        ) { $0.retention = Retention(limit: 3) }
        let kept = ["checkpoint-2", "checkpoint-4", "checkpoint-5"]
        #expect(folder.names == [".checkpoints.lock"] + kept + ["latest"])
    }

    @Test func weightsAloneAreEnoughWhenAsked() throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([1], into: folder.path)
        let checkpoint = try Checkpoint(path: folder / "checkpoint-1")
        let state = TestState(stage: 3, rank: 0, ranks: 1)
        let weights = state.slices.filter { $0.key.kind == StateKey.weight }
        let message = failure { _ = try checkpoint.load(weights, peers: SinglePeer()) }
        #expect(message.contains("10 unexpected: embed.weight (firstMoment)"), "\(message)")
        #expect(state.bytes.allSatisfy { $0 == 0 })
        let report = try checkpoint.load(weights, peers: SinglePeer(), policy: .weights)
        #expect(report.summary == "weight 5")
    }

    @Test func whatDoesNotFitIsListed() throws {
        let folder = try TemporaryFolder(isFast: true)
        try save([1], into: folder.path)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 12, alignment: 64)
        defer { memory.deallocate() }
        let slices = [
            StateSlice(
                StateKey("embed.weight"), shape: [3], dtype: .float32, elements: 0..<3,
                memory: memory),
            StateSlice(
                StateKey("new.weight"), shape: [3], dtype: .float32, elements: 0..<3,
                memory: memory),
        ]
        let checkpoint = try Checkpoint(path: folder / "checkpoint-1")
        let message = failure {
            _ = try checkpoint.load(slices, peers: SinglePeer(), policy: .weights)
        }
        #expect(message.contains("1 missing: new.weight; 4 unexpected: head.bias, head.scale"))
        #expect(message.contains("1 of another shape: embed.weight is [7, 5] instead of [3]"))
        let report = try checkpoint.load(slices, peers: SinglePeer(), policy: .whatFits)
        #expect(report.restored.isEmpty && report.missing == [StateKey("new.weight")])
    }

    @Test func ranksThatDisagreeAreToldApart() throws {
        let folder = try TemporaryFolder(isFast: true)
        let results = World.results(2) { peers in
            let directory = try CheckpointDirectory(folder.path, peers: peers)
            let saver = CheckpointSaver(directory, peers: peers)
            // Both claim the first half.
            let state = TestState(stage: 3, rank: 0, ranks: 2, value: 1)
            try saver.save(state, step: 1, rank: peers.rank)
        }
        for result in results {
            let message = failure { try result.get() }
            #expect(message.contains("are in two slices"), "\(message)")
        }
    }

    @Test func hashesAreThoseOfTheSpecification() {
        #expect(BlockHashes.hash("").hex == "ef46db3751d8e999")
        #expect(BlockHashes.hash("abc").hex == "44bc2cf5ad770999")
        let text = "Nobody inspects the spammish repetition"
        #expect(BlockHashes.hash(text).hex == "fbcea83c8a378bf1")
        // However the bytes are cut.
        let bytes = (0..<BlockHashes.size + 77).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3) }
        var pieces = BlockHasher()
        bytes.withUnsafeBytes { raw in
            var start = 0
            for length in [1, 31, 32, 33, 1000, raw.count] {
                let end = min(raw.count, start + length)
                pieces.add(UnsafeRawBufferPointer(rebasing: raw[start..<end]))
                start = end
            }
            let size = BlockHashes.size
            let first = BlockHashes.hash(UnsafeRawBufferPointer(rebasing: raw[..<size]))
            let second = BlockHashes.hash(UnsafeRawBufferPointer(rebasing: raw[size...]))
            #expect(pieces.finish() == [first, second])
        }
    }
}
