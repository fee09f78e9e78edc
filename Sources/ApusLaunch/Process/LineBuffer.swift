/// Cuts a stream of bytes into lines.
struct LineBuffer {
    /// A longer line is passed on in pieces, so that a program cannot fill the launcher's memory.
    static let maximumLineLength = 1 << 20
    private var rest: [UInt8] = []

    /// The lines that `bytes` complete.
    mutating func append(_ bytes: ArraySlice<UInt8>) -> [String] {
        var lines: [String] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(String(decoding: rest + bytes[start..<end], as: UTF8.self))
            rest = []
            start = end + 1
        }
        rest += bytes[start...]
        if rest.count >= Self.maximumLineLength { lines += finish() }
        return lines
    }

    /// What remains when the stream ends without a line end.
    mutating func finish() -> [String] {
        guard !rest.isEmpty else { return [] }
        defer { rest = [] }
        return [String(decoding: rest, as: UTF8.self)]
    }
}
