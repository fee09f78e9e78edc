internal import CApusTorch

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
