internal import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A text file that grows line by line and is complete after every line.
final class AppendingFile {
    private let path: String
    private let descriptor: Int32

    init(path: String) throws(FileError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw Self.error(path, "cannot be created") }
    }

    deinit { close(descriptor) }

    func append(_ text: String) throws(FileError) {
        var text = text
        let written = text.withUTF8 { write(descriptor, $0.baseAddress, $0.count) }
        guard written == text.utf8.count else { throw Self.error(path, "cannot be written") }
    }

    private static func error(_ path: String, _ problem: String) -> FileError {
        let code = errno
        let cause = String(cString: strerror(code))
        return FileError(
            path, "\(problem): \(cause)",
            remedy: code == ENOSPC ? "free some space on the disk" : "choose another output_dir")
    }
}
