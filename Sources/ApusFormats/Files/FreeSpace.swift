public import ApusBase

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Room on a disk.
public enum FreeSpace {
    /// Refuses a folder on a disk that has no room for what will be written: better at once than
    /// after hours of work.
    ///
    /// - what: such as "the model", for the message
    public static func check(
        _ folder: String, for what: String, needs bytes: Int
    ) throws(FileError) {
        var space = statvfs()
        // A file system that cannot tell is found out when it is written to.
        guard statvfs(folder, &space) == 0 else { return }
        let free = UInt64(space.f_bavail).multipliedReportingOverflow(by: UInt64(space.f_frsize))
        guard !free.overflow, free.partialValue < UInt64(bytes) else { return }
        let (needed, has) = (ByteCount(bytes), ByteCount(Int(clamping: free.partialValue)))
        throw FileError(
            folder, "\(what) needs \(needed.decimal) on the disk, \(has.decimal) are free",
            remedy: "free some disk space, or choose an output_dir on another disk")
    }
}
