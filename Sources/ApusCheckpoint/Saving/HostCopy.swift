internal import CApusHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Memory into which the state is copied, so that training may go on while it is written.
///
/// Kept between saves, and touched ahead of the first one: fresh pages cost more than the copy.
/// `@unchecked Sendable`: it is filled before a save begins in the background and not touched until
/// that has ended.
final class HostCopy: @unchecked Sendable {
    private var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var touching: BackgroundTask<Void>?
    private(set) var slices: [StateSlice] = []

    deinit {
        touching?.wait()
        buffer.deallocate()
    }

    /// Makes the memory, in the background.
    func prepare(byteCount: Int) {
        reserve(byteCount)
        let memory = Memory(buffer: buffer)
        touching = BackgroundTask { memory.touch() }
    }

    func fill(from sources: [StateSlice]) {
        // 64 bytes a start, so that elements of every dtype are aligned.
        var end = 0
        let starts = sources.map { source in
            defer { end += (source.memory.count + 63) / 64 * 64 }
            return end
        }
        touching?.wait()
        touching = nil
        reserve(end)
        slices = zip(sources, starts).map { source, start in
            let memory = UnsafeMutableRawBufferPointer(
                rebasing: buffer[start..<start + source.memory.count])
            apus_copy_past_caches(
                memory.baseAddress, source.memory.baseAddress, source.memory.count)
            return StateSlice(
                source.key, shape: source.shape, dtype: source.dtype, elements: source.elements,
                memory: memory)
        }
    }

    private func reserve(_ byteCount: Int) {
        guard buffer.count < byteCount else { return }
        buffer.deallocate()
        buffer = .allocate(byteCount: byteCount, alignment: Memory.hugePage)
        #if canImport(Glibc)
            madvise(buffer.baseAddress, byteCount, MADV_HUGEPAGE)
        #endif
    }
}

/// May go to a thread: ``HostCopy`` leaves the memory alone until it has been touched.
private struct Memory: @unchecked Sendable {
    let buffer: UnsafeMutableRawBufferPointer

    static let hugePage = 2 << 20

    /// Has the system provide every page.
    func touch() {
        for offset in stride(from: 0, to: buffer.count, by: 4096) { buffer[offset] = 0 }
    }
}
