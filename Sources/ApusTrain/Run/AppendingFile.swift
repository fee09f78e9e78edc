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

    /// Appends to the file, which need not be there.
    init(path: String) throws(FileError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw Self.error(path, "cannot be created", code: errno) }
    }

    deinit { close(descriptor) }

    func append(_ text: String) throws(FileError) {
        var text = text
        let failure = text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
        if failure != 0 { throw Self.error(path, "cannot be written", code: failure) }
    }

    /// 0 or the system's error. A disk that fills up takes a part before it refuses the rest.
    private func write(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        var rest = bytes
        while !rest.isEmpty {
            #if canImport(Glibc)
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            #else
                let count = Darwin.write(descriptor, rest.baseAddress, rest.count)
            #endif
            if count < 0, errno != EINTR { return errno }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(max(count, 0)))
        }
        return 0
    }

    private static func error(_ path: String, _ problem: String, code: Int32) -> FileError {
        let cause = String(cString: strerror(code))
        return FileError(
            path, "\(problem): \(cause)",
            remedy: code == ENOSPC ? "free some space on the disk" : "choose another output_dir")
    }
}
