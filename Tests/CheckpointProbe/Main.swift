import ApusBase
import ApusCheckpoint
import ApusFormats

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One rank of a job that goes on from the newest checkpoint and saves three more, and that a test
/// kills at some operation of its storage: for what only processes can show.
///
/// Arguments: folder, rank, ranks, `sync` or `async`, the operation at which to die (-1: never).
@main
enum Probe {
    static func main() {
        do {
            try run(CommandLine.arguments)
        } catch is PeerGone {
            exit(75)
        } catch {
            say("\(error)\n", 2)
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) throws {
        let folder = arguments[1]
        let peers = try PipePeers(
            folder: folder + "-pipes", rank: Int(arguments[2])!, worldSize: Int(arguments[3])!)
        let storage = DyingStorage(at: Int(arguments[5])!)
        let directory = try CheckpointDirectory(folder, peers: peers, storage: storage)
        let state = ProbeState(rank: peers.rank, ranks: peers.worldSize)
        var step = 0
        if let newest = try CheckpointDirectory.newest(in: folder) {
            let checkpoint = try Checkpoint(path: newest)
            step = checkpoint.manifest.step
            _ = try checkpoint.load(state.slices, peers: peers)
            guard state.holds(step), checkpoint.problems().isEmpty else {
                say("\(newest) does not hold what was saved\n", 2)
                exit(2)
            }
        }
        if peers.rank == 0 { say("resumed \(step)\n", 1) }
        var options = CheckpointSaver.Options()
        options.isAsynchronous = arguments[4] == "async"
        options.retention = Retention(limit: 2)
        let saver = CheckpointSaver(directory, peers: peers, options: options)
        for next in step + 1...step + 3 {
            state.fill(next)
            let note = CheckpointDocument(CheckpointNames.generators(peers.rank), "{}\n")
            try saver.save(CheckpointContent(step: next, slices: state.slices, documents: [note]))
            try saver.poll()
            report(saver, peers)
        }
        try saver.finish()
        report(saver, peers)
    }

    /// What is promised to be on the disk.
    private static func report(_ saver: CheckpointSaver, _ peers: PipePeers) {
        guard peers.rank == 0, let saved = saver.lastSaved else { return }
        say("saved \(FilePaths.name(of: saved))\n", 1)
    }
}

/// Unbuffered: the process may die at any time.
private func say(_ text: String, _ descriptor: Int32) {
    var text = text
    _ = text.withUTF8 { write(descriptor, $0.baseAddress, $0.count) }
}

/// Two tensors, cut among the ranks.
final class ProbeState {
    let slices: [StateSlice]

    init(rank: Int, ranks: Int) {
        slices = [("a", 4096), ("b", 30)].map { name, count in
            let elements = count * rank / ranks..<count * (rank + 1) / ranks
            return StateSlice(
                StateKey(name), shape: [count], dtype: .int32, elements: elements,
                memory: .allocate(byteCount: elements.count * 4, alignment: 64))
        }
    }

    func fill(_ step: Int) {
        for slice in slices {
            let values = slice.memory.bindMemory(to: Int32.self)
            for index in values.indices {
                values[index] = Int32(step * 10_000 + slice.elements.lowerBound + index)
            }
        }
    }

    func holds(_ step: Int) -> Bool {
        slices.allSatisfy { slice in
            let values = slice.memory.bindMemory(to: Int32.self)
            return values.indices.allSatisfy {
                values[$0] == Int32(step * 10_000 + slice.elements.lowerBound + $0)
            }
        }
    }
}

/// The file system, until the n-th operation ends the process.
final class DyingStorage: CheckpointStorage, @unchecked Sendable {
    // Operations come one at a time: from the one thread, or from the background's.
    private let disk = DiskStorage()
    private var left: Int

    init(at operation: Int) { left = operation }

    fileprivate func pass() {
        if left == 0 { kill(getpid(), SIGKILL) }
        left -= 1
    }

    func createFolder(_ path: String) throws(FileError) {
        pass()
        try disk.createFolder(path)
    }

    func createFile(_ path: String, byteCount: Int) throws(FileError) -> any CheckpointFile {
        pass()
        return File(try disk.createFile(path, byteCount: byteCount), self)
    }

    func rename(_ path: String, to new: String) throws(FileError) {
        pass()
        try disk.rename(path, to: new)
    }

    func syncFile(_ path: String) throws(FileError) {
        pass()
        try disk.syncFile(path)
    }

    func syncFolder(_ path: String) throws(FileError) {
        pass()
        try disk.syncFolder(path)
    }

    func removeFile(_ path: String) throws(FileError) {
        pass()
        try disk.removeFile(path)
    }

    func removeFolder(_ path: String) throws(FileError) {
        pass()
        try disk.removeFolder(path)
    }

    private final class File: CheckpointFile {
        private let file: any CheckpointFile
        private let storage: DyingStorage

        init(_ file: any CheckpointFile, _ storage: DyingStorage) {
            self.file = file
            self.storage = storage
        }

        /// In two pieces, so that a file may be left half written.
        func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
            let half = bytes.count / 2
            try file.write(UnsafeRawBufferPointer(rebasing: bytes[..<half]))
            storage.pass()
            try file.write(UnsafeRawBufferPointer(rebasing: bytes[half...]))
        }

        func finish() throws(FileError) {
            storage.pass()
            try file.finish()
        }
    }
}
