internal import ApusBase
internal import ApusFormats
internal import CApusHost

/// Comma-separated values with a header line (RFC 4180); every value is a string.
struct CSVFile: RecordFile {
    private let file: MappedFile
    private let columns: [String]
    /// Where each record stands, and its first line; the header is not among them.
    private let records: [(range: Range<Int>, line: Int)]

    init(_ file: MappedFile) throws(FileError) {
        self.file = file
        let all = file.withBytes { Self.records($0) }
        records = Array(all.dropFirst())
        columns =
            try all.first.map { header throws(FileError) in
                try Self.fields(file, header.range, line: header.line)
            } ?? []
        for (position, name) in columns.enumerated() where columns[..<position].contains(name) {
            throw FileError(file.path, at: .line(1), "the column \"\(name)\" appears twice")
        }
    }

    private static func records(_ bytes: UnsafeRawBufferPointer) -> [(range: Range<Int>, line: Int)]
    {
        guard let pointer = bytes.bindMemory(to: UInt8.self).baseAddress else { return [] }
        var records: [(range: Range<Int>, line: Int)] = []
        var start = LineIndex.byteOrderMarkLength(bytes)
        var line = 1
        while start < bytes.count {
            let end = apus_csv_record_end(pointer, bytes.count, start)
            if bytes[start..<end].contains(where: { !LineIndex.isSpace($0) }) {
                records.append((start..<end, line))
            }
            line += apus_count_lines(pointer + start, end - start) + 1
            start = end + 1
        }
        return records
    }

    var path: String { file.path }
    var count: Int { records.count }

    func line(of index: Int) -> Int { records[index].line }

    func record(_ index: Int) throws(FileError) -> JSON {
        let fields = try Self.fields(file, records[index].range, line: line(of: index))
        guard fields.count == columns.count else {
            throw FileError(
                path, at: .line(line(of: index)),
                "\(fields.count) values for \(columns.count) columns",
                likelyCause: "a comma or quote in a value that is not quoted",
                remedy: "put the value in quotes and double the quotes in it")
        }
        var record = JSONObject()
        for (name, value) in zip(columns, fields) { record[name] = .string(value) }
        return .object(record)
    }

    private static func fields(
        _ file: MappedFile, _ range: Range<Int>, line: Int
    ) throws(FileError) -> [String] {
        var bytes = file.withBytes { Array($0[range]) }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        var fields: [String] = []
        var position = 0
        repeat {
            let value = try field(bytes, &position, file.path, line)
            guard let text = String(validating: value, as: UTF8.self) else {
                throw FileError(file.path, at: .line(line), "not valid UTF-8")
            }
            fields.append(text)
            position += 1
        } while position <= bytes.count
        return fields
    }

    /// Reads one value and stops at the comma after it, or at the end.
    private static func field(
        _ bytes: [UInt8], _ position: inout Int, _ path: String, _ line: Int
    ) throws(FileError) -> [UInt8] {
        let quote = UInt8(ascii: "\"")
        let comma = UInt8(ascii: ",")
        guard position < bytes.count, bytes[position] == quote else {
            let rest = bytes[position...]
            let end = rest.firstIndex(of: comma) ?? bytes.count
            defer { position = end }
            return Array(bytes[position..<end])
        }
        var value: [UInt8] = []
        position += 1
        while position < bytes.count {
            let end = bytes[position...].firstIndex(of: quote) ?? bytes.count
            value += bytes[position..<end]
            position = end + 1
            if position < bytes.count, bytes[position] == quote {
                value.append(quote)
                position += 1
            } else {
                break
            }
        }
        guard position == bytes.count || (position < bytes.count && bytes[position] == comma) else {
            let problem =
                position > bytes.count
                ? "a quoted value has no end" : "text follows a quoted value"
            throw FileError(
                path, at: .line(line), problem, remedy: "double the quotes in the value")
        }
        return value
    }
}
