public import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A file mapped read-only into memory.
///
/// Headers and text are read in place by ``withBytes(_:)``. Bulk data is better read by
/// ``read(at:into:)``: it leaves no mapped pages behind, so that a model being loaded is in memory
/// once, and a file that shrank meanwhile is an error there while it is a bus error in the mapping.
///
/// Sendable: the mapping never changes after `init` and is removed by the last owner.
public final class MappedFile: @unchecked Sendable {
    public let path: String
    /// The whole file. The caller keeps this object alive for as long as it uses them: Swift may
    /// release an object right after its last mention. ``withBytes(_:)`` needs no such care.
    public let unsafeBytes: UnsafeRawBufferPointer
    private let descriptor: Int32

    /// Throws when the file cannot be opened or mapped, or is no regular file. An empty file is
    /// fine.
    public init(path: String) throws(FileError) {
        // Without O_NONBLOCK, opening a named pipe would wait for its writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileError.system(path, "open the file", code: errno) }
        do throws(FileError) {
            unsafeBytes = try Self.map(descriptor, path: path)
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        if let base = unsafeBytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: base), size)
        }
        close(descriptor)
    }

    /// The file's size in bytes when it was opened.
    public var size: Int { unsafeBytes.count }

    /// Calls `body` with the whole file.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(unsafeBytes)
    }

    private static func map(
        _ descriptor: Int32, path: String
    ) throws(FileError) -> UnsafeRawBufferPointer {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw FileError.system(path, "inspect the file", code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileError(path, "is a folder or device, not a file", remedy: "name a file")
        }
        let size = Int(status.st_size)
        guard size > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let base, base != MAP_FAILED else {
            throw FileError.system(path, "map the file into memory", code: errno)
        }
        return UnsafeRawBufferPointer(start: base, count: size)
    }

    /// Copies the bytes from `offset` on into `destination`, which they fill.
    public func read(
        at offset: Int, into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        precondition(offset >= 0, "MappedFile.read: a negative offset")
        var done = 0
        while done < destination.count {
            let target = destination.baseAddress! + done
            let count = pread(descriptor, target, destination.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw FileError.system(path, "read the file", code: errno) }
            guard count > 0 else {
                throw FileError(
                    path, at: .offset(offset + done), "the file ends here",
                    likelyCause: "it was shortened after it was opened", remedy: "copy it again")
            }
            done += count
        }
    }

    /// Whether these bytes seem to be in memory already, judged by some of them.
    public func isCached(_ range: Range<Int>) -> Bool {
        guard let base = unsafeBytes.baseAddress, !range.isEmpty else { return true }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let middle = range.lowerBound + range.count / 2
        return [range.lowerBound, middle, range.upperBound - 1].allSatisfy { offset in
            let start = UnsafeMutableRawPointer(mutating: base + offset / page * page)
            #if canImport(Glibc)
                var state: UInt8 = 0
            #else
                var state: CChar = 0
            #endif
            return mincore(start, 1, &state) == 0 && state & 1 == 1
        }
    }

    /// Tells the system that these bytes will not be read again soon, so that their pages need not
    /// stay resident. Reading them later is still correct.
    public func release(_ range: Range<Int>) {
        guard let base = unsafeBytes.baseAddress else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = (max(range.lowerBound, 0) + page - 1) / page * page
        let last = range.upperBound >= size ? size : range.upperBound / page * page
        guard first < last else { return }
        madvise(UnsafeMutableRawPointer(mutating: base + first), last - first, MADV_DONTNEED)
    }
}
