internal import ApusBase
internal import ApusFormats

/// JSON Lines: one value a line.
struct JSONLinesFile: RecordFile {
    private let file: MappedFile
    private let index: LineIndex

    init(_ file: MappedFile) {
        self.file = file
        index = LineIndex(file)
    }

    var path: String { file.path }
    var count: Int { index.count }

    func line(of index: Int) -> Int { self.index.line(of: index) }

    func record(_ index: Int) throws(FileError) -> JSON {
        let range = self.index.range(of: index)
        do throws(JSONSyntaxError) {
            return try file.withBytes { bytes throws(JSONSyntaxError) in
                try JSON.parse(UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        } catch {
            throw FileError(
                path, at: .line(line(of: index)),
                "not valid JSON at column \(error.offset + 1): \(error.problem)",
                likelyCause: "the line was cut, or the file is not JSON Lines",
                remedy: "correct or remove the line")
        }
    }
}
