internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Where the lines of a mapped file that hold more than white space begin and end.
struct LineIndex: Sendable {
    private var starts: [Int] = []
    private var ends: [Int] = []
    private var lines: [Int] = []

    init(_ file: MappedFile) {
        file.withBytes { bytes in
            var start = Self.byteOrderMarkLength(bytes)
            var line = 1
            while start < bytes.count {
                let end = Self.endOfLine(bytes, from: start)
                if bytes[start..<end].contains(where: { !Self.isSpace($0) }) {
                    starts.append(start)
                    ends.append(end)
                    lines.append(line)
                }
                start = end + 1
                line += 1
            }
        }
    }

    var count: Int { starts.count }

    func line(of index: Int) -> Int { lines[index] }

    /// Without the line end.
    func range(of index: Int) -> Range<Int> { starts[index]..<ends[index] }

    /// Some editors begin a file with a byte order mark, which is no part of its text.
    static func byteOrderMarkLength(_ bytes: UnsafeRawBufferPointer) -> Int {
        bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func endOfLine(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        let base = bytes.baseAddress!
        guard let end = memchr(base + start, 0x0A, bytes.count - start) else { return bytes.count }
        return UnsafeRawPointer(end) - base
    }
}
