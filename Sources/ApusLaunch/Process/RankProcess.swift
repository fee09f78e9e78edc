internal import CApusHost

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A running rank and the ends of its pipes that the launcher reads.
struct RankProcess {
    let rank: Int
    let pid: Int32
    var readers: [PipeReader]
    /// What it printed last, for the report when it fails.
    let logPath: String?

    /// Sends a signal to the rank and to whatever it started.
    func send(_ signal: Int32) {
        kill(-pid, signal)
        // A stopped process (Ctrl-Z) does not notice a signal before it goes on.
        if signal != SIGKILL { kill(-pid, SIGCONT) }
    }

    /// How it ended; nil while it runs.
    func look() -> RankExit? {
        var state = apus_child_state()
        guard apus_child_look(pid, &state) == 0, state.has_ended else { return nil }
        return state.signal != 0 ? .signal(state.signal) : .code(state.exit_code)
    }

    /// Ends what the rank left behind in its process group, then lets go of it. In this order: the
    /// group's number cannot be anybody else's before.
    func bury() {
        kill(-pid, SIGKILL)
        apus_child_reap(pid)
    }
}

/// The reading end of a pipe from a rank.
struct PipeReader {
    enum Content: Sendable, Hashable {
        case output(OutputStream)
        case events
    }

    let descriptor: Int32
    let content: Content
    private var lines = LineBuffer()
    private(set) var isOpen = true

    init(descriptor: Int32, content: Content) {
        self.descriptor = descriptor
        self.content = content
    }

    /// The lines that can be had without waiting.
    mutating func read() -> [String] {
        var result: [String] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while isOpen {
            let count = Self.read(descriptor, &chunk)
            if count > 0 {
                result += lines.append(chunk[..<count])
                if count < chunk.count { break }
            } else if count < 0, errno == EAGAIN || errno == EINTR {
                break
            } else {
                result += close()
            }
        }
        return result
    }

    /// Closes the pipe; returns the last line if it had no end.
    mutating func close() -> [String] {
        guard isOpen else { return [] }
        isOpen = false
        Self.close(descriptor)
        return lines.finish()
    }

    private static func read(_ descriptor: Int32, _ chunk: inout [UInt8]) -> Int {
        chunk.withUnsafeMutableBytes { bytes in
            #if canImport(Glibc)
                Glibc.read(descriptor, bytes.baseAddress, bytes.count)
            #else
                Darwin.read(descriptor, bytes.baseAddress, bytes.count)
            #endif
        }
    }

    private static func close(_ descriptor: Int32) {
        #if canImport(Glibc)
            _ = Glibc.close(descriptor)
        #else
            _ = Darwin.close(descriptor)
        #endif
    }
}
