public import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How fast a model's weights come into memory, beside plain reading of the same files, and how
/// much memory that takes at its peak.
public struct LoadBenchmark {
    public struct Result: Sendable, Hashable {
        /// Of the files' data, and of the weights in memory.
        public let storedBytes: Int
        public let loadedBytes: Int
        public let loadSeconds: Double
        /// One thread reads the data from beginning to end into fresh memory.
        public let plainSeconds: Double
        /// One thread reads it into the same MiB again and again, as `dd` does: nothing but the
        /// disk's or page cache's speed.
        public let streamSeconds: Double
        /// Resident memory at the peak, less what was there before: with mapped pages of files.
        /// nil where the system does not tell.
        public let peakBytes: Int?
        /// What of the resident memory were pages of files when all was loaded; nil where the
        /// system does not tell.
        public let filePageBytes: Int?

        public var memoryShare: Double? { peakBytes.map { Double($0) / Double(loadedBytes) } }
    }

    private let path: String
    private let dtype: DType?
    private let isCold: Bool

    /// - dtype: what floating-point weights are converted to; nil leaves them as they are stored
    /// - isCold: the files leave the page cache before each reading
    public init(path: String, dtype: DType? = nil, isCold: Bool = false) {
        self.path = path
        self.dtype = dtype
        self.isCold = isCold
    }

    /// The first load gives the peak; then all take turns, and the shortest time of each counts.
    public func run(repetitions: Int = 3) throws(FileError) -> Result {
        let before = HostMemoryFigures.current
        let first = try load()
        let peak = HostMemoryFigures.current.map { after in
            after.peakResidentBytes - (before?.peakResidentBytes ?? 0)
        }
        var best = (load: Double.infinity, plain: Double.infinity, stream: Double.infinity)
        let parts = try parts()
        let storedBytes = parts.reduce(0) { $0 + $1.range.count }
        let files = Set(parts.map(\.path))
        func prepare() {
            if isCold { for file in files { Self.evict(file) } }
            LargePages.takeAndLeave(byteCount: first.bytes + (isCold ? storedBytes : 0))
        }
        for _ in 0..<repetitions {
            prepare()
            best.stream = min(best.stream, try read(parts, intoOneBuffer: true))
            prepare()
            best.plain = min(best.plain, try read(parts, intoOneBuffer: false))
            prepare()
            best.load = min(best.load, try load().seconds)
        }
        return Result(
            storedBytes: storedBytes, loadedBytes: first.bytes,
            loadSeconds: best.load, plainSeconds: best.plain, streamSeconds: best.stream,
            peakBytes: peak, filePageBytes: first.filePages)
    }

    /// Every tensor into its place of one range, as a model has them.
    private func load() throws(FileError) -> (bytes: Int, seconds: Double, filePages: Int?) {
        let start = ContinuousClock.now
        let source = try openTensors(at: path)
        let tensors = source.names.compactMap { source.entry($0) }.map { entry in
            let isConverted = entry.dtype?.isFloatingPoint ?? true
            return (entry, (isConverted ? dtype : nil) ?? entry.dtype ?? .float32)
        }
        let size = tensors.reduce(0) { $0 + $1.0.elementCount * $1.1.byteCount }
        let memory = FreshMemory(tensors.map { $0.0.elementCount * $0.1.byteCount })
        defer { withExtendedLifetime(memory) {} }
        try ReadPipeline.run { pipeline throws(FileError) in
            for (number, (entry, type)) in tensors.enumerated() {
                try source.read(
                    entry.name, elements: 0..<entry.elementCount, as: type, into: memory[number],
                    through: pipeline)
            }
        }
        let seconds = (ContinuousClock.now - start).seconds
        return (size, seconds, HostMemoryFigures.current?.fileBytes)
    }

    /// Where the data lies, in the order of the files.
    private func parts() throws(FileError) -> [(path: String, range: Range<Int>)] {
        let source = try openTensors(at: path)
        let entries = source.names.compactMap { source.entry($0) }
        return entries.map { ($0.path, $0.byteRange) }.sorted {
            ($0.0, $0.1.lowerBound) < ($1.0, $1.1.lowerBound)
        }
    }

    private func read(
        _ parts: [(path: String, range: Range<Int>)], intoOneBuffer isStream: Bool
    ) throws(FileError) -> Double {
        let start = ContinuousClock.now
        let piece = 1 << 20
        let memory = FreshMemory(isStream ? [piece] : parts.map(\.range.count))
        var files: [String: MappedFile] = [:]
        for (number, part) in parts.enumerated() {
            if files[part.path] == nil { files[part.path] = try MappedFile(path: part.path) }
            let file = files[part.path]!
            guard isStream else {
                try file.read(at: part.range.lowerBound, into: memory[number])
                continue
            }
            let range = part.range
            for offset in stride(from: range.lowerBound, to: range.upperBound, by: piece) {
                let count = min(piece, range.upperBound - offset)
                try file.read(
                    at: offset, into: UnsafeMutableRawBufferPointer(rebasing: memory[0][..<count]))
            }
        }
        return (ContinuousClock.now - start).seconds
    }

    // MARK: The system

    private static func evict(_ path: String) {
        #if os(Linux)
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return }
            // Pages that were never written to the disk would stay.
            fdatasync(descriptor)
            posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            close(descriptor)
        #endif
    }
}

/// Memory that nobody has touched, in parts.
private struct FreshMemory {
    private let memory: LargePages
    private let ranges: [Range<Int>]

    /// - sizes: of the parts, in bytes
    init(_ sizes: [Int]) {
        var end = 0
        ranges = sizes.map { size in
            let start = end
            end = (start + size + 63) / 64 * 64
            return start..<(start + size)
        }
        memory = LargePages(byteCount: end)
    }

    subscript(part: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory.bytes[ranges[part]])
    }
}
