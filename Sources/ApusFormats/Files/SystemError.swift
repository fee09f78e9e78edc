public import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension FileError {
    /// The failure of a system call on `path`, with the causes that people meet spelled out.
    public static func system(_ path: String, _ action: String, code: Int32) -> FileError {
        let words = String(cString: strerror(code))
        let advice = advice(code)
        return FileError(
            path, "cannot \(action): \(words)", likelyCause: advice?.cause, remedy: advice?.remedy)
    }

    private static func advice(_ code: Int32) -> (cause: String, remedy: String)? {
        switch code {
        case ENOSPC, EDQUOT:
            ("the disk or the user's quota is full", "free space there or write to another disk")
        case ENOENT: ("a folder of the path, or the file, does not exist", "check the path")
        case EACCES, EPERM:
            ("the user may not read or write there", "change the permissions or the path")
        case EROFS: ("the file system is mounted read-only", "write to another place")
        case EMFILE, ENFILE: ("too many files are open", "raise the limit with `ulimit -n`")
        case EIO: ("the disk reports a fault", "check the disk and the system's log")
        default: nil
        }
    }
}
