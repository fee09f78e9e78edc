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
        /// `read` of the data from beginning to end into fresh memory.
        public let plainSeconds: Double
        /// Resident memory at the peak, less what was there before.
        public let peakBytes: Int

        public var speedShare: Double { plainSeconds / loadSeconds }
        public var memoryShare: Double { Double(peakBytes) / Double(loadedBytes) }
    }

    private let path: String
    private let dtype: DType?

    /// - dtype: what floating-point weights are converted to; nil leaves them as they are stored
    public init(path: String, dtype: DType? = nil) {
        self.path = path
        self.dtype = dtype
    }

    /// The first load gives the peak; then both take turns, and the shortest time of each counts.
    public func run(repetitions: Int = 3) throws(FileError) -> Result {
        let before = Self.peakResident()
        let loaded = try load()
        let peak = Self.peakResident() - before
        var best = (load: loaded.seconds, plain: Double.infinity)
        let parts = try parts()
        for _ in 0..<repetitions {
            best.plain = min(best.plain, try plain(parts))
            best.load = min(best.load, try load().seconds)
        }
        return Result(
            storedBytes: parts.reduce(0) { $0 + $1.range.count }, loadedBytes: loaded.bytes,
            loadSeconds: best.load, plainSeconds: best.plain, peakBytes: peak)
    }

    /// Every tensor into memory of its own, as a model has them.
    private func load() throws(FileError) -> (bytes: Int, seconds: Double) {
        let start = ContinuousClock.now
        let source = try openTensors(at: path)
        var memory: [UnsafeMutableRawBufferPointer] = []
        defer { for part in memory { part.deallocate() } }
        for name in source.names {
            guard let entry = source.entry(name) else { continue }
            let isConverted = entry.dtype?.isFloatingPoint ?? true
            let target = (isConverted ? dtype : nil) ?? entry.dtype ?? .float32
            let part = UnsafeMutableRawBufferPointer.allocate(
                byteCount: entry.elementCount * target.byteCount, alignment: 64)
            memory.append(part)
            try source.read(name, elements: 0..<entry.elementCount, as: target, into: part)
        }
        return (memory.reduce(0) { $0 + $1.count }, Self.seconds(since: start))
    }

    /// Where the data lies, in the order of the files.
    private func parts() throws(FileError) -> [(path: String, range: Range<Int>)] {
        let source = try openTensors(at: path)
        let entries = source.names.compactMap { source.entry($0) }
        return entries.map { ($0.path, $0.byteRange) }.sorted {
            ($0.0, $0.1.lowerBound) < ($1.0, $1.1.lowerBound)
        }
    }

    private func plain(_ parts: [(path: String, range: Range<Int>)]) throws(FileError) -> Double {
        let start = ContinuousClock.now
        var files: [String: MappedFile] = [:]
        var memory: [UnsafeMutableRawBufferPointer] = []
        defer { for part in memory { part.deallocate() } }
        for (path, range) in parts {
            if files[path] == nil { files[path] = try MappedFile(path: path) }
            let part = UnsafeMutableRawBufferPointer.allocate(
                byteCount: range.count, alignment: 64)
            memory.append(part)
            try files[path]!.read(at: range.lowerBound, into: part)
        }
        return Self.seconds(since: start)
    }

    private static func seconds(since start: ContinuousClock.Instant) -> Double {
        let time = (ContinuousClock.now - start).components
        return Double(time.seconds) + Double(time.attoseconds) * 1e-18
    }

    private static func peakResident() -> Int {
        var usage = rusage()
        #if canImport(Glibc)
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return usage.ru_maxrss * 1024
        #else
            getrusage(RUSAGE_SELF, &usage)
            return usage.ru_maxrss
        #endif
    }
}
