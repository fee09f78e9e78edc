internal import CApusTorch
#if canImport(Glibc)
    internal import Glibc
#endif

/// Memory of the process on the host, as the system counts it.
public struct HostMemoryFigures: Sendable, Hashable {
    /// Bytes in physical memory now.
    public let residentBytes: Int
    /// The most there ever was, or since ``resetPeak()``.
    public let peakResidentBytes: Int

    /// nil where the system does not tell (other than Linux).
    public static var current: HostMemoryFigures? {
        #if os(Linux)
            guard let status = contents(of: "/proc/self/status"),
                let resident = kibibytes("VmRSS:", in: status),
                let peak = kibibytes("VmHWM:", in: status)
            else { return nil }
            return HostMemoryFigures(
                residentBytes: resident * 1024, peakResidentBytes: peak * 1024)
        #else
            return nil
        #endif
    }

    /// Lets the peak begin anew at what is resident now; false where the system does not allow it.
    @discardableResult
    public static func resetPeak() -> Bool {
        #if os(Linux)
            guard let file = fopen("/proc/self/clear_refs", "w") else { return false }
            // 5 stands for the peak of the resident set (proc_pid_clear_refs(5)).
            let written = fputs("5", file) >= 0
            return fclose(file) == 0 && written
        #else
            return false
        #endif
    }

    #if os(Linux)
        private static func contents(of path: String) -> String? {
            guard let file = fopen(path, "r") else { return nil }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 16384)
            let count = fread(&bytes, 1, bytes.count, file)
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }

        private static func kibibytes(_ key: String, in status: String) -> Int? {
            let line = status.split(separator: "\n").first { $0.hasPrefix(key) }
            return line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first
                .flatMap { Int($0) }
        }
    #endif
}

/// Memory of a GPU, as libtorch's caching allocator counts it.
public struct DeviceMemoryFigures: Sendable, Hashable {
    /// Bytes that tensors use: now, and at most since the last reset.
    public let allocatedBytes, peakAllocatedBytes: Int
    /// Bytes that the allocator holds of the driver, used or cached: now, and at most.
    public let reservedBytes, peakReservedBytes: Int
    /// Bytes that the driver could still give, and all of the device.
    public let availableBytes, totalBytes: Int
}

extension Device {
    /// nil for the CPU (see ``HostMemoryFigures``). Fails for a device that does not exist.
    public var memory: DeviceMemoryFigures? {
        guard self != .cpu else { return nil }
        var figures = apus_memory_figures()
        done("device memory", [], apus_device_memory(code, &figures))
        return DeviceMemoryFigures(
            allocatedBytes: Int(figures.allocated), peakAllocatedBytes: Int(figures.peak_allocated),
            reservedBytes: Int(figures.reserved), peakReservedBytes: Int(figures.peak_reserved),
            availableBytes: Int(figures.available), totalBytes: Int(figures.total))
    }

    /// Lets a GPU's peaks begin anew at what is allocated now.
    public func resetMemoryPeak() {
        done("reset memory peak", [], apus_device_reset_peak(code))
    }

    /// Gives a GPU's cached memory that no tensor uses back to the driver.
    public func emptyCache() { done("empty cache", [], apus_device_empty_cache(code)) }

    /// Makes this the current device of the calling thread, which libraries such as NCCL ask for.
    package func makeCurrent() { done("use device", [], apus_device_use(code)) }

    /// Waits until all work of the device is done.
    public func synchronize() { done("synchronize", [], apus_device_synchronize(code)) }
}
