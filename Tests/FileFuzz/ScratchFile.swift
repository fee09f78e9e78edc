import ApusBase

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file whose content is replaced again and again, without the syncs of an `OutputFile`.
final class ScratchFile {
    private let path: String

    init(path: String) throws { self.path = path }

    /// A new file each time: the old one may still be mapped.
    func replace(_ bytes: [UInt8]) throws(FileError) {
        unlink(path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count else {
            throw FileError(path, "cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    deinit { unlink(path) }
}
