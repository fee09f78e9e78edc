#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The folder that a run writes into.
public struct RunFolder: Sendable {
    public let path: String
    public var logs: String { path + "/logs" }
    /// The configuration with every value filled in, as the ranks get it.
    public var resolvedRecipe: String { path + "/resolved.json" }
    public var events: String { path + "/events.jsonl" }

    /// Makes the folder, with those above it, where it is not there.
    public init(creating path: String) throws(LaunchError) {
        self.path = path
        try Self.makeFolder(path)
        try Self.makeFolder(logs)
    }

    /// Makes a folder for logs alone, and returns its path.
    public static func folder(_ path: String) throws(LaunchError) -> String {
        try makeFolder(path)
        return path
    }

    /// Writes a small text file.
    public func write(_ text: String, to path: String) throws(LaunchError) {
        guard let file = fopen(path, "we") else { throw Self.error(path, errno) }
        let count = text.utf8.count
        let isWritten = Array(text.utf8).withUnsafeBytes { bytes in
            fwrite(bytes.baseAddress, 1, count, file) == count
        }
        // Closing writes what is still in the buffer; both must have worked.
        let failure = errno
        guard fclose(file) == 0, isWritten else {
            throw Self.error(path, isWritten ? errno : failure)
        }
    }

    private static func makeFolder(_ path: String) throws(LaunchError) {
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += part
            if mkdir(prefix, 0o755) != 0, errno != EEXIST { throw error(prefix, errno) }
            prefix += "/"
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw LaunchError(
                "\(path) is no folder",
                remedy: "choose another output_dir, or remove the file there")
        }
    }

    private static func error(_ path: String, _ failure: Int32) -> LaunchError {
        let remedy: String? =
            switch failure {
            case ENOSPC, EDQUOT: "free some disk space, or choose an output_dir on another disk"
            case EACCES, EPERM, EROFS: "choose an output_dir that you may write to"
            default: nil
            }
        return LaunchError(
            "\(path) cannot be written: \(String(cString: strerror(failure)))", remedy: remedy)
    }
}
