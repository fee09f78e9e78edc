internal import CApusHost

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Whether standard output is a terminal, and what it can do.
public struct Terminal: Sendable {
    public var isLive: Bool
    public var columns: Int
    public var hasColour: Bool

    public init(isLive: Bool, columns: Int, hasColour: Bool) {
        self.isLive = isLive
        self.columns = columns
        self.hasColour = hasColour
    }

    /// Without colour where NO_COLOR is set to anything (no-color.org); without a panel where the
    /// terminal cannot move its cursor.
    public static func standardOutput() -> Terminal {
        let isTerminal = isatty(STDOUT_FILENO) == 1
        let canMove = variable("TERM").map { $0 != "dumb" && !$0.isEmpty } ?? false
        let isLive = isTerminal && canMove
        let columns = Int(apus_terminal_columns(STDOUT_FILENO))
        let hasColour = isLive && (variable("NO_COLOR") ?? "").isEmpty
        return Terminal(isLive: isLive, columns: columns > 0 ? columns : 80, hasColour: hasColour)
    }

    /// Writes all of a text to standard output at once, past any buffer.
    public static func write(_ text: String) { write(text, to: STDOUT_FILENO) }

    /// The same for standard error.
    public static func writeError(_ text: String) { write(text, to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { writeBytes(descriptor, $0) }
            // A closed reader has ended the process by SIGPIPE; anything else cannot be helped.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private static func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #else
            Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
