internal import ApusBase
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
        let total = SystemFile.kibibytes(memory["MemTotal"])
        let limit = SystemFile.text("/sys/fs/cgroup/memory.max").flatMap(SystemFile.firstInteger)
        return Machine(
            cores: max(1, Int(apus_usable_cores())),
            processor: processor["model name"] ?? "unknown processor",
            processorFlags: Set(flags.map(String.init)),
            memoryBytes: total,
            availableMemoryBytes: SystemFile.kibibytes(memory["MemAvailable"]),
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
}
