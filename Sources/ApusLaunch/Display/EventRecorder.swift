#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Keeps the events of a run in `events.jsonl`.
public final class EventRecorder {
    private let file: UnsafeMutablePointer<FILE>

    /// - Throws: `LaunchError` when the file cannot be written.
    public init(path: String) throws(LaunchError) {
        guard let file = fopen(path, "we") else {
            throw LaunchError("\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        self.file = file
    }

    func record(_ line: String) {
        fputs(line + "\n", file)
        fflush(file)
    }

    deinit { fclose(file) }
}
