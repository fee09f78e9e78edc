public import ApusBase
internal import CApusHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A file that appears under its name only when it is complete.
///
/// Bytes go to `<path>.partial`; ``commit()`` syncs them to disk and renames. Whatever happens
/// before, a file that already stood under the name is untouched. Dropping the object without a
/// commit removes the partial file. For one thread at a time.
public final class OutputFile {
    public let path: String
    private let partialPath: String
    private var descriptor: Int32
    /// Whether the partial file is this object's to remove.
    private var ownsPartial = false

    /// - Parameter expectedSize: bytes that will be written, when known: reserved at once, so that
    ///   a full disk is reported before the work begins.
    public init(path: String, expectedSize: Int? = nil) throws(FileError) {
        self.path = path
        partialPath = path + ".partial"
        descriptor = open(partialPath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw FileError.system(path, "create the file", code: errno)
        }
        ownsPartial = flock(descriptor, LOCK_EX | LOCK_NB) == 0
        guard ownsPartial else {
            throw FileError(
                path, "another process is writing this file",
                likelyCause: "two runs share an output folder", remedy: "give each its own")
        }
        try emptyLeftover()
        if let expectedSize { try reserve(expectedSize) }
    }

    deinit {
        if ownsPartial { unlink(partialPath) }
        if descriptor >= 0 { close(descriptor) }
    }

    /// A run that was killed may have left its partial file.
    private func emptyLeftover() throws(FileError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0 else { return }
        guard ftruncate(descriptor, 0) == 0 else {
            throw FileError.system(path, "empty what an earlier run left", code: errno)
        }
    }

    private func reserve(_ size: Int) throws(FileError) {
        guard size > 0 else { return }
        // File systems that cannot reserve say so with other codes; writing finds out then.
        let code = apus_reserve_space(descriptor, Int64(size))
        guard code == ENOSPC || code == EDQUOT || code == EFBIG else { return }
        throw FileError.system(path, "reserve \(ByteCount(size).decimal)", code: code)
    }

    /// Writes the bytes at `offset`; parts may be written in any order.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let source = bytes.baseAddress! + done
            let count = pwrite(descriptor, source, bytes.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw FileError.system(path, "write the file", code: errno) }
            done += count
        }
    }

    /// Syncs the file and gives it its name.
    public func commit() throws(FileError) {
        precondition(ownsPartial, "OutputFile.commit: called twice for \(path)")
        guard fsync(descriptor) == 0 else {
            throw FileError.system(path, "write the file to disk", code: errno)
        }
        guard rename(partialPath, path) == 0 else {
            throw FileError.system(path, "rename the finished file", code: errno)
        }
        ownsPartial = false
        syncFolder()
    }

    /// Makes the new name durable. Some file systems cannot sync a folder; the data is safe
    /// regardless.
    private func syncFolder() {
        let folder = open(FilePaths.folder(of: path), O_RDONLY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }

    /// Writes a whole small file.
    public static func write(_ text: String, to path: String) throws(FileError) {
        let file = try OutputFile(path: path)
        let bytes = Array(text.utf8)
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(FileError) in try file.write(raw, at: 0) }
        }
        try result.get()
        try file.commit()
    }
}
