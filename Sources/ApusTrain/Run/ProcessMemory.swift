#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Resident memory of this process, in bytes; zero where the system does not tell.
public struct ProcessMemory: Sendable, Hashable {
    public var residentBytes = 0
    public var peakBytes = 0

    public static var current: ProcessMemory {
        var memory = ProcessMemory()
        guard let file = fopen("/proc/self/status", "r") else {
            var usage = rusage()
            if getrusage(0 /* this process */, &usage) == 0 { memory.peakBytes = usage.ru_maxrss << 10 }
            return memory
        }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            var kibibytes = 0
            if withVaList([withUnsafeMutablePointer(to: &kibibytes) { $0 }], {
                vsscanf(line, "VmHWM: %ld kB", $0)
            }) == 1 {
                memory.peakBytes = kibibytes << 10
            } else if withVaList([withUnsafeMutablePointer(to: &kibibytes) { $0 }], {
                vsscanf(line, "VmRSS: %ld kB", $0)
            }) == 1 {
                memory.residentBytes = kibibytes << 10
            }
        }
        return memory
    }
}
