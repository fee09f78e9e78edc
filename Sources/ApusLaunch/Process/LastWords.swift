#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The last lines that a rank printed.
struct LastWords {
    static let lineCount = 12
    private(set) var lines: [String] = []

    mutating func add(_ line: String) {
        guard line.contains(where: { !$0.isWhitespace }) else { return }
        lines.append(line)
        if lines.count > Self.lineCount { lines.removeFirst() }
    }

    /// Those of a log file, read from its end.
    static func ofLog(_ path: String) -> [String] {
        guard let file = fopen(path, "rbe") else { return [] }
        defer { fclose(file) }
        let window = 1 << 14
        fseek(file, 0, SEEK_END)
        let size = ftell(file)
        fseek(file, max(0, size - window), SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: window)
        let count = fread(&bytes, 1, window, file)
        var buffer = LineBuffer()
        var words = LastWords()
        let lines = buffer.append(bytes[..<count]) + buffer.finish()
        // The first line of a window in the middle of a file has lost its beginning.
        for line in size > window ? lines.dropFirst() : lines[...] { words.add(line) }
        return words.lines
    }
}
