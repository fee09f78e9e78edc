#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Memory of the process on the host, as the system counts it.
public struct HostMemoryFigures: Sendable, Hashable {
    /// Bytes in physical memory now.
    public let residentBytes: Int
    /// Those of them that are mapped pages of files.
    public let fileBytes: Int
    /// The most there ever was, or since ``resetPeak()``. What getrusage tells begins with the peak
    /// of the program that started this one.
    public let peakResidentBytes: Int

    /// nil where the system does not tell (other than Linux).
    public static var current: HostMemoryFigures? {
        let status = SystemFile.fields("/proc/self/status")
        guard let resident = SystemFile.kibibytes(status["VmRSS"]),
            let file = SystemFile.kibibytes(status["RssFile"]),
            let peak = SystemFile.kibibytes(status["VmHWM"])
        else { return nil }
        return HostMemoryFigures(
            residentBytes: resident, fileBytes: file, peakResidentBytes: peak)
    }

    /// Lets the peak begin anew at what is resident now; false where the system does not allow it.
    @discardableResult
    public static func resetPeak() -> Bool {
        guard let file = fopen("/proc/self/clear_refs", "w") else { return false }
        // 5 stands for the peak of the resident set (proc_pid_clear_refs(5)).
        let written = fputs("5", file) >= 0
        return fclose(file) == 0 && written
    }
}
