public import ApusBase
internal import ApusFormats
internal import CApusHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The operations that change files of checkpoints, in one place: tests end the process at any of
/// them, and let a disk fail.
public protocol CheckpointStorage: Sendable {
    func createFolder(_ path: String) throws(FileError)
    /// A new file of known size, to be written from its beginning.
    func createFile(_ path: String, byteCount: Int) throws(FileError) -> any CheckpointFile
    func rename(_ path: String, to new: String) throws(FileError)
    /// Makes a file's content durable.
    func syncFile(_ path: String) throws(FileError)
    /// Makes the names in a folder durable.
    func syncFolder(_ path: String) throws(FileError)
    func removeFile(_ path: String) throws(FileError)
    /// An empty one.
    func removeFolder(_ path: String) throws(FileError)
}

/// A file that is written once, from its beginning to its end.
public protocol CheckpointFile: AnyObject {
    func write(_ bytes: UnsafeRawBufferPointer) throws(FileError)
    /// Makes the content durable and closes the file.
    func finish() throws(FileError)
}

extension CheckpointStorage {
    /// Writes a whole small file and makes it durable.
    func write(_ bytes: [UInt8], to path: String) throws(FileError) {
        let file = try createFile(path, byteCount: bytes.count)
        try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
            try file.write(UnsafeRawBufferPointer(bytes))
        }
        try file.finish()
    }

    /// Removes a folder of files.
    func removeTree(_ path: String) throws(FileError) {
        for name in try FilePaths.names(in: path) {
            let inner = FilePaths.join(path, name)
            if FilePaths.isFolder(inner) { try removeTree(inner) } else { try removeFile(inner) }
        }
        try removeFolder(path)
    }
}

/// The file system.
public struct DiskStorage: CheckpointStorage {
    public init() {}

    public func createFolder(_ path: String) throws(FileError) {
        try check(mkdir(path, 0o755), path, "make the folder")
    }

    public func createFile(
        _ path: String, byteCount: Int
    ) throws(FileError) -> any CheckpointFile {
        try DiskFile(path, byteCount: byteCount)
    }

    public func rename(_ path: String, to new: String) throws(FileError) {
        #if canImport(Glibc)
            let status = Glibc.rename(path, new)
        #else
            let status = Darwin.rename(path, new)
        #endif
        try check(status, path, "rename it to \(new)")
    }

    public func syncFile(_ path: String) throws(FileError) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        try check(descriptor, path, "open the file")
        defer { close(descriptor) }
        try check(fsync(descriptor), path, "write the file to disk")
    }

    public func syncFolder(_ path: String) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        try check(descriptor, path, "open the folder")
        defer { close(descriptor) }
        // Some file systems cannot sync a folder, and need not.
        guard fsync(descriptor) != 0, errno != EINVAL, errno != ENOTSUP else { return }
        throw FileError.system(path, "write the folder to disk", code: errno)
    }

    public func removeFile(_ path: String) throws(FileError) {
        try check(unlink(path), path, "remove the file")
    }

    public func removeFolder(_ path: String) throws(FileError) {
        try check(rmdir(path), path, "remove the folder")
    }

    private func check(_ status: Int32, _ path: String, _ action: String) throws(FileError) {
        guard status < 0 else { return }
        throw FileError.system(path, action, code: errno)
    }
}

private final class DiskFile: CheckpointFile {
    private let path: String
    private let descriptor: Int32
    private var position = 0
    /// Up to where the disk has been given something to do.
    private var begun = 0

    private static let beginsEvery = 32 << 20

    init(_ path: String, byteCount: Int) throws(FileError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw FileError.system(path, "create the file", code: errno)
        }
        guard byteCount > 0 else { return }
        // File systems that cannot reserve say so with other codes; writing finds out then.
        let code = apus_reserve_space(descriptor, Int64(byteCount))
        guard code != ENOSPC, code != EDQUOT, code != EFBIG else {
            throw FileError.system(path, "reserve \(ByteCount(byteCount).decimal)", code: code)
        }
    }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(position))
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw FileError.system(path, "write the file", code: errno) }
            position += count
            if position - begun >= Self.beginsEvery {
                apus_begin_writing(descriptor, Int64(begun), Int64(position - begun))
                begun = position
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    func finish() throws(FileError) {
        guard fsync(descriptor) == 0 else {
            throw FileError.system(path, "write the file to disk", code: errno)
        }
    }
}
