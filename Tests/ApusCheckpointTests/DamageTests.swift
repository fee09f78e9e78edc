import ApusBase
import ApusFormats
import FileTestSupport
import Foundation
import Testing

@testable import ApusCheckpoint

/// What happens to files behind a run's back: each kind is named with the file, and the state in
/// memory stays as it was or is told to be lost.
@Suite struct DamageTests {
    private let folder: TemporaryFolder
    private var checkpoint: String { folder / "checkpoint-1" }
    private static let part = "state-00001-of-00002.safetensors"

    init() throws {
        folder = try TemporaryFolder(isFast: true)
        try save([1], into: folder.path, ranks: 2)
    }

    private func change(_ name: String, _ edit: (inout [UInt8]) -> Void) throws {
        let path = checkpoint + "/" + name
        var bytes = try MappedFile(path: path).withBytes { Array($0) }
        edit(&bytes)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private func loadFailure(_ checks: CheckpointChecks = .hashes) -> String {
        failure { _ = try loads(checkpoint, value: 1, ranks: 2, checks: checks) }
    }

    @Test func oneFlippedBit() throws {
        try change(Self.part) { $0[$0.count - 3] ^= 4 }
        #expect(loadFailure().contains("\(Self.part): offset 0: the "))
        let problems = try Checkpoint(path: checkpoint).problems()
        #expect(problems.count == 1 && problems[0].path.hasSuffix(Self.part))
    }

    @Test(arguments: CheckpointChecks.allCases)
    func aShortenedFile(_ checks: CheckpointChecks) throws {
        try change(Self.part) { $0.removeLast(5) }
        #expect(loadFailure(checks).contains("\(Self.part): has "), "\(loadFailure(checks))")
    }

    @Test(arguments: CheckpointChecks.allCases)
    func aMissingFile(_ checks: CheckpointChecks) throws {
        try FileManager.default.removeItem(atPath: checkpoint + "/" + Self.part)
        #expect(loadFailure(checks).contains("\(Self.part): is missing, though the manifest"))
    }

    @Test(arguments: CheckpointChecks.allCases)
    func aSwappedPair(_ checks: CheckpointChecks) throws {
        // Of one size, as the parts of large models mostly are.
        let other = try TemporaryFolder(isFast: true)
        try save([1], into: other.path, ranks: 2)
        let manager = FileManager.default
        try manager.removeItem(atPath: checkpoint + "/" + Self.part)
        try manager.copyItem(
            atPath: other / "checkpoint-1/\(Self.part)", toPath: checkpoint + "/" + Self.part)
        let message = loadFailure(checks)
        #expect(message.contains("\(Self.part): holds '\(Self.part)' of checkpoint "))
        #expect(message.contains("files were swapped"))
    }

    @Test func aNewerVersion() throws {
        try change("manifest.json") { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            let newer = text.replacingOccurrences(of: "\"version\": 1", with: "\"version\": 2")
            bytes = Array(newer.utf8)
        }
        #expect(loadFailure().contains("manifest.json: is of format version 2; this program"))
    }

    @Test func aDamagedManifest() throws {
        try change("manifest.json") { $0[$0.count / 2] ^= 1 }
        #expect(loadFailure().contains("manifest.json: "), "\(loadFailure())")
        try change("manifest.json") { $0 = Array($0.prefix(100)) }
        #expect(loadFailure().contains("manifest.json: offset 100: is not valid JSON"))
    }

    /// Never silently another one, never silently from the beginning.
    @Test func aLatestThatLeadsNowhere() throws {
        try save([2], into: folder.path)
        try FileManager.default.removeItem(atPath: folder / "checkpoint-2")
        let message = failure { _ = try CheckpointDirectory.newest(in: folder.path) }
        #expect(message.contains("/latest: names 'checkpoint-2', which is not there"))
        #expect(message.contains("resume from checkpoint-1 by name"))
    }

    @Test func twoJobsInOneFolder() throws {
        let peers = SinglePeer()
        let first = try CheckpointDirectory(folder.path, peers: peers)
        let message = failure { _ = try CheckpointDirectory(folder.path, peers: peers) }
        #expect(message.contains("\(folder.path): another job saves its checkpoints here"))
        withExtendedLifetime(first) {}
    }

    @Test(.enabled(if: getuid() != 0, "root writes everywhere"))
    func aReadOnlyFolder() throws {
        chmod(folder.path, 0o555)
        let message = failure { try save([2], into: folder.path) }
        #expect(message.contains(folder.path) && message.contains("Permission denied"))
    }

    /// A disk that fails at some operation: the save fails on every rank, leaves no trace, and the
    /// next one succeeds from the same state.
    @Test(arguments: [false, true])
    func aFailingDisk(_ isAsynchronous: Bool) throws {
        // The folder, two files of each rank, the manifest.
        for operation in 0..<16 {
            let storage = FailingStorage(at: operation, while: "checkpoint-2.saving")
            try World.run(2) { [folder] peers in
                var options = CheckpointSaver.Options()
                options.isAsynchronous = isAsynchronous
                let directory = try CheckpointDirectory(
                    folder.path, peers: peers, storage: storage)
                let saver = CheckpointSaver(directory, peers: peers, options: options)
                let state = TestState(stage: 3, rank: peers.rank, ranks: 2, value: 2)
                let message = failure {
                    try saver.save(state, step: 2, rank: peers.rank)
                    try saver.finish()
                }
                #expect(message.contains("No space left on device"), "\(operation): \(message)")
                #expect(message.contains("checkpoint-2.saving"), "\(operation): \(message)")
                #expect(state.holds(2))
                try saver.save(state, step: 3, rank: peers.rank)
                try saver.finish()
            }
            #expect(!folder.names.contains("checkpoint-2.saving"), "\(operation)")
            #expect(!folder.names.contains("checkpoint-2"))
            #expect(try loads(folder / "checkpoint-1", value: 1))
            let newest = try CheckpointDirectory.newest(in: folder.path)
            #expect(newest == folder / "checkpoint-3")
            #expect(storage.hasFailed, "operation \(operation) was never reached")
        }
    }
}

/// A disk on which the n-th operation on paths that contain a word fails.
final class FailingStorage: CheckpointStorage, @unchecked Sendable {
    private let disk = DiskStorage()
    private let lock = NSLock()
    private let word: String
    private var left: Int
    private(set) var hasFailed = false

    init(at operation: Int, while word: String) {
        left = operation
        self.word = word
    }

    fileprivate func pass(_ path: String) throws(FileError) {
        guard path.contains(word) else { return }
        lock.lock()
        defer { lock.unlock() }
        left -= 1
        guard left == -1 else { return }
        hasFailed = true
        throw FileError.system(path, "write", code: ENOSPC)
    }

    func createFolder(_ path: String) throws(FileError) {
        try pass(path)
        try disk.createFolder(path)
    }

    func createFile(_ path: String, byteCount: Int) throws(FileError) -> any CheckpointFile {
        try pass(path)
        return File(path, try disk.createFile(path, byteCount: byteCount), self)
    }

    // Removing what a failed save left works on a full disk.
    func rename(_ path: String, to new: String) throws(FileError) {
        try disk.rename(path, to: new)
    }
    func syncFile(_ path: String) throws(FileError) { try disk.syncFile(path) }
    func syncFolder(_ path: String) throws(FileError) { try disk.syncFolder(path) }
    func removeFile(_ path: String) throws(FileError) { try disk.removeFile(path) }
    func removeFolder(_ path: String) throws(FileError) { try disk.removeFolder(path) }

    private final class File: CheckpointFile {
        let path: String
        let file: any CheckpointFile
        let storage: FailingStorage

        init(_ path: String, _ file: any CheckpointFile, _ storage: FailingStorage) {
            self.path = path
            self.file = file
            self.storage = storage
        }

        func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
            try storage.pass(path)
            try file.write(bytes)
        }

        func finish() throws(FileError) {
            try storage.pass(path)
            try file.finish()
        }
    }
}
