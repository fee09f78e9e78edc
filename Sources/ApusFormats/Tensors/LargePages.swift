#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Memory for much data, in large pages where the system has them: half the time of a copy in small
/// ones goes into finding them.
///
/// The system provides a page when it is first touched.
/// `@unchecked Sendable`: it is an address; who uses the bytes says when they may.
public final class LargePages: @unchecked Sendable {
    public let bytes: UnsafeMutableRawBufferPointer

    public init(byteCount: Int) {
        let size = max(byteCount, 1)
        #if os(Linux)
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        #else
            let flags = MAP_PRIVATE | MAP_ANON
        #endif
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            preconditionFailure("LargePages: the system gives no \(size) bytes")
        }
        #if os(Linux)
            madvise(memory, size, MADV_HUGEPAGE)
        #endif
        bytes = .init(start: memory, count: size)
    }

    deinit { munmap(bytes.baseAddress!, bytes.count) }

    /// Has the system provide every page, so that nobody waits for them later.
    public func touch() {
        for offset in stride(from: 0, to: bytes.count, by: 4096) { bytes[offset] = 0 }
    }

    /// Has so much memory at hand for what comes next: takes it from the system and lets it go
    /// again. For benchmarks that measure something else than a virtual machine that fetches memory
    /// back from its host.
    ///
    /// What the system hands out next need not be what it just got back, so this takes three times
    /// as much, where so much is free.
    public static func takeAndLeave(byteCount: Int) {
        LargePages(byteCount: max(byteCount, min(3 * byteCount, freeBytes - reserve))).touch()
    }

    /// For the rest of the machine.
    private static var reserve: Int { 1 << 30 }

    private static var freeBytes: Int {
        #if os(Linux)
            return sysconf(Int32(_SC_AVPHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        #else
            return 0
        #endif
    }
}
