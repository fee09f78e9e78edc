#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Keeps the events of a run in `events.jsonl`: behind those of the run that it goes on from, or
/// in place of what was there.
public final class EventRecorder {
    private let file: UnsafeMutablePointer<FILE>
    /// What was reported before it is known which of both; nil from then on. A run that fails so
    /// early replaces nothing.
    private var waiting: [String]? = []

    /// - Throws: `LaunchError` when the file cannot be written.
    public init(path: String) throws(LaunchError) {
        guard let file = fopen(path, "a+e") else {
            throw LaunchError("\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        self.file = file
    }

    /// - event: what the line says; nil where it is no event
    func record(_ line: String, _ event: TrainingEvent?) {
        guard waiting != nil else { return write([line]) }
        waiting?.append(line)
        switch event {
        case .resumed:
            removeBrokenLine()
            endWaiting()
        case .start:
            ftruncate(fileno(file), 0)
            endWaiting()
        default: break
        }
    }

    /// A line that was being written when the run before was killed, or its disk was full.
    private func removeBrokenLine() {
        fseek(file, 0, SEEK_END)
        var end = ftell(file)
        while end > 0 {
            fseek(file, end - 1, SEEK_SET)
            if fgetc(file) == Int32(UInt8(ascii: "\n")) { break }
            end -= 1
        }
        fseek(file, 0, SEEK_END)
        ftruncate(fileno(file), off_t(end))
    }

    private func endWaiting() {
        write(waiting ?? [])
        waiting = nil
    }

    private func write(_ lines: [String]) {
        for line in lines { fputs(line + "\n", file) }
        fflush(file)
    }

    deinit {
        endWaiting()
        fclose(file)
    }
}
