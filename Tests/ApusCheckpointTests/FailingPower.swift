import ApusBase
import ApusCheckpoint
import ApusFormats
import FileTestSupport
import Foundation
import Testing

/// A disk that stops at some operation, after which what was not synced may be lost.
final class FailingPower: CheckpointStorage, @unchecked Sendable {
    private let disk = DiskStorage()
    private let lock = NSLock()
    private var left: Int
    /// Changes of names that no sync of their folder has made durable, with how to undo them.
    private var journal: [(folder: String, undo: () -> Void)] = []
    /// Files whose content has not been synced.
    private var loose: Set<String> = []
    /// What was replaced or removed, for undoing.
    private let attic: TemporaryFolder
    private var kept = 0

    init(at operation: Int) throws {
        left = operation
        attic = try TemporaryFolder(isFast: true)
    }

    /// Loses what a power failure may lose.
    func fail(_ random: inout SplitMix64) throws {
        for path in loose.sorted() {
            // Renamed with its folder: nothing unsynced may be.
            guard let handle = FileHandle(forUpdatingAtPath: path) else { continue }
            let size = try handle.seekToEnd()
            try handle.truncate(atOffset: UInt64.random(in: 0...size, using: &random))
        }
        let durable = Int.random(in: 0...journal.count, using: &random)
        for entry in journal[durable...].reversed() { entry.undo() }
    }

    private func pass(
        _ path: String, _ change: () throws(FileError) -> (() -> Void)?
    ) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        left -= 1
        guard left >= 0 else { throw FileError(path, "the power is off") }
        if let undo = try change() { journal.append((FilePaths.folder(of: path), undo)) }
    }

    private func place() -> String {
        kept += 1
        return attic / "\(kept)"
    }

    func createFolder(_ path: String) throws(FileError) {
        try pass(path) { () throws(FileError) in
            try disk.createFolder(path)
            return { rmdir(path) }
        }
    }

    func createFile(_ path: String, byteCount: Int) throws(FileError) -> any CheckpointFile {
        var file: (any CheckpointFile)?
        try pass(path) { () throws(FileError) in
            file = try disk.createFile(path, byteCount: byteCount)
            loose.insert(path)
            return { unlink(path) }
        }
        return File(path, file!, self)
    }

    func rename(_ path: String, to new: String) throws(FileError) {
        try pass(path) { () throws(FileError) in
            // A second name keeps what is replaced.
            let old = FilePaths.isFile(new) ? place() : nil
            if let old { #expect(link(new, old) == 0) }
            let isLoose = loose.contains { $0 == path || $0.hasPrefix(path + "/") }
            #expect(!isLoose, "\(path) is renamed before it was synced")
            try disk.rename(path, to: new)
            return {
                _ = Foundation.rename(new, path)
                if let old { _ = Foundation.rename(old, new) }
            }
        }
    }

    func syncFile(_ path: String) throws(FileError) {
        try pass(path) { () throws(FileError) in
            try disk.syncFile(path)
            loose.remove(path)
            return nil
        }
    }

    func syncFolder(_ path: String) throws(FileError) {
        try pass(path) { () throws(FileError) in
            try disk.syncFolder(path)
            journal.removeAll { $0.folder == path }
            return nil
        }
    }

    func removeFile(_ path: String) throws(FileError) {
        try pass(path) { () throws(FileError) in
            let old = place()
            #expect(link(path, old) == 0)
            try disk.removeFile(path)
            loose.remove(path)
            return { _ = Foundation.rename(old, path) }
        }
    }

    func removeFolder(_ path: String) throws(FileError) {
        try pass(path) { () throws(FileError) in
            try disk.removeFolder(path)
            return { mkdir(path, 0o755) }
        }
    }

    private final class File: CheckpointFile {
        let path: String
        let file: any CheckpointFile
        let power: FailingPower

        init(_ path: String, _ file: any CheckpointFile, _ power: FailingPower) {
            self.path = path
            self.file = file
            self.power = power
        }

        func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
            try power.pass(path) { () throws(FileError) in
                try file.write(bytes)
                return nil
            }
        }

        func finish() throws(FileError) {
            try power.pass(path) { () throws(FileError) in
                try file.finish()
                power.loose.remove(path)
                return nil
            }
        }
    }
}
