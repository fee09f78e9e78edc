internal import CApusHost

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What this machine has, as far as it can be told without libtorch.
public struct Machine: Sendable {
    /// Cores that this process may use.
    public let cores: Int
    public let processor: String
    public let processorFlags: Set<String>
    public let memoryBytes: Int?
    public let availableMemoryBytes: Int?
    /// A bound on memory that is lower than the machine's, as containers set it.
    public let memoryLimitBytes: Int?

    public static func current() -> Machine {
        let processor = SystemFile.fields("/proc/cpuinfo")
        let memory = SystemFile.fields("/proc/meminfo")
        let flags = (processor["flags"] ?? processor["Features"] ?? "").split(separator: " ")
        let total = kibibytes(memory["MemTotal"])
        let limit = SystemFile.text("/sys/fs/cgroup/memory.max").flatMap(firstInteger)
        return Machine(
            cores: max(1, Int(apus_usable_cores())),
            processor: processor["model name"] ?? "unknown processor",
            processorFlags: Set(flags.map(String.init)),
            memoryBytes: total,
            availableMemoryBytes: kibibytes(memory["MemAvailable"]),
            memoryLimitBytes: limit.flatMap { limit in limit < total ?? .max ? limit : nil })
    }

    /// The instructions that compute bf16; nil where there are none.
    public var bfloat16: String? {
        ["amx_bf16", "avx512_bf16", "bf16"].first { processorFlags.contains($0) }
    }

    /// The widest vector instructions.
    public var vectors: String? {
        ["avx512f", "avx2", "sve", "asimd", "avx", "sse2"].first { processorFlags.contains($0) }
    }

    /// Free and total bytes of the disk that holds a path; nil when it cannot be told.
    public static func disk(at path: String) -> (free: Int, total: Int)? {
        var free: UInt64 = 0
        var total: UInt64 = 0
        guard apus_disk_space(path, &free, &total) == 0 else { return nil }
        return (Int(clamping: free), Int(clamping: total))
    }

    private static func kibibytes(_ text: String?) -> Int? {
        text.flatMap(firstInteger).flatMap { value in
            let (bytes, overflow) = value.multipliedReportingOverflow(by: 1024)
            return overflow ? nil : bytes
        }
    }

    private static func firstInteger(_ text: String) -> Int? {
        text.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
    }
}

/// The small text files in which Linux tells about itself.
enum SystemFile {
    static func text(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// `name : value` lines; the first of each name.
    static func fields(_ path: String) -> [String: String] {
        var fields: [String: String] = [:]
        for line in (text(path) ?? "").split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = trimmed(line[..<colon])
            if fields[name] == nil { fields[name] = trimmed(line[line.index(after: colon)...]) }
        }
        return fields
    }

    private static func trimmed(_ text: Substring) -> String {
        let start = text.drop(while: \.isWhitespace)
        return String(start.reversed().drop(while: \.isWhitespace).reversed())
    }
}
