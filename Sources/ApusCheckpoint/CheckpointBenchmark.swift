public import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How fast a checkpoint of one rank is saved and loaded, beside plain writing and reading of as
/// many bytes on the same disk with the same sync; and how long a save in the background stops
/// training, beside a plain copy in memory.
public final class CheckpointBenchmark {
    /// Seconds, each the median of the repetitions.
    public struct Result: Sendable, Hashable {
        public let byteCount: Int
        /// Writing one file in pieces of 1 MiB, and `fsync`.
        public let plainWrite: Double
        public let save: Double
        /// Reading one file in pieces of 1 MiB, from the disk and from the page cache.
        public let plainRead: Timed
        /// With hashes.
        public let load: Timed
        /// Copying the state into memory that is there already.
        public let copy: Double
        /// What a save in the background takes until training goes on.
        public let pause: Double
    }

    public struct Timed: Sendable, Hashable {
        public let disk, cache: Double
    }

    private let folder: String
    private let byteCount: Int
    private let statePages, targetPages: LargePages

    private var state: UnsafeMutableRawBufferPointer { statePages.bytes }
    private var target: UnsafeMutableRawBufferPointer { targetPages.bytes }

    /// - folder: an empty one is made there, and removed at the end
    public init(folder: String, byteCount: Int) {
        let whole = max(1, byteCount >> 20) << 20
        self.folder = FilePaths.join(folder, "apus-bench-checkpoint-\(getpid())")
        self.byteCount = whole
        statePages = LargePages(byteCount: whole)
        targetPages = LargePages(byteCount: whole)
        var random = SplitMix64(seed: 1)
        let words = state.bindMemory(to: UInt64.self)
        for index in words.indices { words[index] = random.next() }
        target.copyMemory(from: UnsafeRawBufferPointer(state))
    }

    /// Everything in turn, `repetitions` times.
    public func run(repetitions: Int = 5) throws -> Result {
        let storage = DiskStorage()
        try storage.createFolder(folder)
        defer { _ = Swift.Result { try storage.removeTree(folder) } }
        let directory = try CheckpointDirectory(folder, peers: SinglePeer())
        var options = CheckpointSaver.Options()
        options.retention = Retention(limit: 1)
        let saver = CheckpointSaver(directory, peers: SinglePeer(), options: options)
        options.isAsynchronous = true
        let background = CheckpointSaver(directory, peers: SinglePeer(), options: options)
        background.prepare(sliceBytes: slices(state).map(\.memory.count))

        var times = Times()
        for round in 0..<repetitions {
            times.plainWrite.append(try plainWrite())
            times.plainReadDisk.append(try plainRead(isCached: false))
            times.plainReadCache.append(try plainRead(isCached: true))
            try storage.removeFile(plainPath)
            LargePages.takeAndLeave(byteCount: byteCount)
            times.save.append(
                try Self.seconds { try saver.save(content(step: 2 * round + 1)) })
            times.loadDisk.append(try load(saver.lastSaved, isCached: false))
            times.loadCache.append(try load(saver.lastSaved, isCached: true))
            times.copy.append(
                Self.seconds { target.copyMemory(from: UnsafeRawBufferPointer(state)) })
            times.pause.append(
                try Self.seconds { try background.save(content(step: 2 * round + 2)) })
            try background.finish()
        }
        return times.result(byteCount)
    }

    private var plainPath: String { FilePaths.join(folder, "plain") }

    private func content(step: Int) -> CheckpointContent {
        CheckpointContent(step: step, slices: slices(state), documents: [])
    }

    /// Weights and both moments of square matrices, as a transformer of this size has them.
    private func slices(_ memory: UnsafeMutableRawBufferPointer) -> [StateSlice] {
        let count = 3 * max(1, byteCount / (3 << 24))
        return (0..<count).map { index in
            let kinds = [StateKey.weight, "firstMoment", "secondMoment"]
            let words = byteCount / 4
            let from = words * index / count
            let to = words * (index + 1) / count
            return StateSlice(
                StateKey("layers.\(index / 3).weight", kinds[index % 3]), shape: [to - from],
                dtype: .float32, elements: 0..<(to - from),
                memory: UnsafeMutableRawBufferPointer(rebasing: memory[(4 * from)..<(4 * to)]))
        }
    }

    /// As `dd bs=1M conv=fsync` does it.
    private func plainWrite() throws(FileError) -> Double {
        LargePages.takeAndLeave(byteCount: byteCount)
        return try Self.seconds { () throws(FileError) in
            let file = open(plainPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            guard file >= 0 else {
                throw FileError.system(plainPath, "create the file", code: errno)
            }
            defer { close(file) }
            for start in stride(from: 0, to: byteCount, by: Self.piece) {
                let count = min(Self.piece, byteCount - start)
                guard write(file, state.baseAddress! + start, count) == count else {
                    throw FileError.system(plainPath, "write the file", code: errno)
                }
            }
            guard fsync(file) == 0 else {
                throw FileError.system(plainPath, "write the file to disk", code: errno)
            }
        }
    }

    private func plainRead(isCached: Bool) throws(FileError) -> Double {
        if !isCached {
            try forget(plainPath)
            LargePages.takeAndLeave(byteCount: byteCount)
        }
        return try Self.seconds { () throws(FileError) in
            let file = try MappedFile(path: plainPath)
            for start in stride(from: 0, to: byteCount, by: Self.piece) {
                let end = min(start + Self.piece, byteCount)
                try file.read(
                    at: start, into: UnsafeMutableRawBufferPointer(rebasing: target[start..<end]))
            }
        }
    }

    private func load(_ path: String?, isCached: Bool) throws -> Double {
        guard let path else { preconditionFailure("nothing was saved") }
        if !isCached {
            for name in try FilePaths.names(in: path) { try forget(FilePaths.join(path, name)) }
            LargePages.takeAndLeave(byteCount: byteCount)
        }
        return try Self.seconds {
            let checkpoint = try Checkpoint(path: path)
            _ = try checkpoint.load(slices(target), peers: SinglePeer())
        }
    }

    /// Drops a file's pages, which are on the disk, from the page cache.
    private func forget(_ path: String) throws(FileError) {
        #if canImport(Glibc)
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw FileError.system(path, "open the file", code: errno)
            }
            posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            close(descriptor)
        #endif
    }

    private static let piece = 1 << 20

    private static func seconds<Failure: Error>(
        _ body: () throws(Failure) -> Void
    ) throws(Failure) -> Double {
        let start = ContinuousClock.now
        try body()
        return (ContinuousClock.now - start).seconds
    }
}

private struct Times {
    var plainWrite: [Double] = []
    var plainReadDisk: [Double] = []
    var plainReadCache: [Double] = []
    var save: [Double] = []
    var loadDisk: [Double] = []
    var loadCache: [Double] = []
    var copy: [Double] = []
    var pause: [Double] = []

    func result(_ byteCount: Int) -> CheckpointBenchmark.Result {
        .init(
            byteCount: byteCount, plainWrite: median(plainWrite), save: median(save),
            plainRead: .init(disk: median(plainReadDisk), cache: median(plainReadCache)),
            load: .init(disk: median(loadDisk), cache: median(loadCache)), copy: median(copy),
            pause: median(pause))
    }

    private func median(_ times: [Double]) -> Double { times.sorted()[times.count / 2] }
}

extension CheckpointBenchmark.Result {
    public var json: JSON {
        [
            "bytes": .integer(byteCount), "plain_write_s": .number(plainWrite),
            "save_s": .number(save), "plain_read_disk_s": .number(plainRead.disk),
            "load_disk_s": .number(load.disk), "plain_read_cache_s": .number(plainRead.cache),
            "load_cache_s": .number(load.cache), "copy_s": .number(copy), "pause_s": .number(pause),
        ]
    }

    /// Speeds, and how much of the plain operation's that is.
    public var table: String {
        let rows = [
            ("save and sync", save, plainWrite), ("load from the disk", load.disk, plainRead.disk),
            ("load from the cache", load.cache, plainRead.cache),
            ("pause of a background save", pause, copy),
        ]
        let lines = rows.map { name, seconds, plain in
            [name, speed(seconds), speed(plain), (plain / seconds).fixed(2)]
        }
        return TextTable.text([["", "GB/s", "plain", "share"]] + lines)
    }

    private func speed(_ seconds: Double) -> String { (Double(byteCount) / seconds / 1e9).fixed(2) }
}
