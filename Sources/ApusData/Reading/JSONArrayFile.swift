internal import ApusBase
internal import ApusFormats
internal import CApusHost

/// A file that is one JSON array; only the places of its elements are kept in memory.
struct JSONArrayFile: RecordFile {
    private let file: MappedFile
    private var ranges: [Range<Int>] = []

    /// Whether the first byte that is not white space opens an array.
    static func begins(_ file: MappedFile) -> Bool {
        file.withBytes { bytes in
            let text = bytes.dropFirst(LineIndex.byteOrderMarkLength(bytes))
            return text.first { !LineIndex.isSpace($0) } == UInt8(ascii: "[")
        }
    }

    init(_ file: MappedFile) throws(FileError) {
        self.file = file
        ranges = try file.withBytes { bytes throws(FileError) in
            try Self.elements(bytes, path: file.path)
        }
    }

    private static func elements(
        _ bytes: UnsafeRawBufferPointer, path: String
    ) throws(FileError) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        let pointer = bytes.bindMemory(to: UInt8.self).baseAddress!
        var position = bytes.firstIndex(of: UInt8(ascii: "["))! + 1
        while true {
            let end = apus_json_value_end(pointer, bytes.count, position)
            guard end < bytes.count else {
                throw fault("the array has no end", at: position, bytes, path)
            }
            let closes = bytes[end] == UInt8(ascii: "]")
            let isEmpty = bytes[position..<end].allSatisfy { LineIndex.isSpace($0) }
            if !(closes && isEmpty && ranges.isEmpty) { ranges.append(position..<end) }
            position = end + 1
            if closes { break }
        }
        let rest = bytes[position...].firstIndex { !LineIndex.isSpace($0) }
        if let rest { throw fault("text after the end of the array", at: rest, bytes, path) }
        return ranges
    }

    private static func fault(
        _ problem: String, at offset: Int, _ bytes: UnsafeRawBufferPointer, _ path: String
    ) -> FileError {
        FileError(
            path, at: .line(line(of: offset, bytes)), problem,
            likelyCause: "the file was cut off, or is JSON Lines that begins with '['",
            remedy: "complete the file, or write one object a line")
    }

    private static func line(of offset: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
        let pointer = bytes.bindMemory(to: UInt8.self).baseAddress!
        return apus_count_lines(pointer, offset) + 1
    }

    var path: String { file.path }
    var count: Int { ranges.count }

    func line(of index: Int) -> Int {
        file.withBytes { bytes in
            let range = ranges[index]
            let start = bytes[range].firstIndex { !LineIndex.isSpace($0) }
            return Self.line(of: start ?? range.lowerBound, bytes)
        }
    }

    func record(_ index: Int) throws(FileError) -> JSON {
        do throws(JSONSyntaxError) {
            return try file.withBytes { bytes throws(JSONSyntaxError) in
                try JSON.parse(UnsafeRawBufferPointer(rebasing: bytes[ranges[index]]))
            }
        } catch {
            throw FileError(
                path, at: .line(line(of: index)),
                "element \(index + 1) of the array is not valid JSON: \(error.problem)",
                likelyCause: "the file was damaged or written by hand",
                remedy: "correct or remove the element")
        }
    }
}
