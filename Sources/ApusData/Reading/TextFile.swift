internal import ApusBase
internal import ApusFormats

/// Plain text: every line is a record `{"text": line}`.
struct TextFile: RecordFile {
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
        let text = file.withBytes { bytes in
            let line = bytes[range]
            let hasReturn = line.last == UInt8(ascii: "\r")
            return String(validating: hasReturn ? line.dropLast() : line, as: UTF8.self)
        }
        guard let text else {
            throw FileError(
                path, at: .line(line(of: index)), "not valid UTF-8",
                likelyCause: "the file is in another encoding, as Latin-1",
                remedy: "convert it: iconv -f LATIN1 -t UTF-8")
        }
        return ["text": .string(text)]
    }
}
