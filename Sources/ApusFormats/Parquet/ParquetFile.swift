public import ApusBase

/// A Parquet file, read a row group at a time into JSON rows.
///
/// Nested columns, dictionary and delta encodings, both page versions, and the compressions Snappy,
/// gzip, Zstandard and LZ4 are read. Binary values, which have no form in JSON, are null.
public final class ParquetFile: Sendable {
    private struct Chunk {
        let codec: Int
        let range: Range<Int>
        let count: Int
    }

    private struct RowGroup {
        let rows: Range<Int>
        let chunks: [Chunk]
    }

    public let path: String
    public let rowCount: Int
    private let file: MappedFile
    private let schema: ParquetSchema
    private let groups: [RowGroup]

    public init(path: String) throws(FileError) {
        let file = try MappedFile(path: path)
        let contents: (ParquetSchema, [RowGroup])
        do throws(ParquetFault) {
            contents = try file.withBytes { bytes throws(ParquetFault) in try Self.footer(bytes) }
        } catch {
            throw Self.error(path, error)
        }
        self.path = path
        self.file = file
        (schema, groups) = contents
        rowCount = groups.last?.rows.upperBound ?? 0
    }

    private static func error(_ path: String, _ fault: ParquetFault) -> FileError {
        FileError(
            path, at: .offset(fault.offset), fault.problem,
            likelyCause: "the file was cut off, damaged, or is no Parquet file",
            remedy: "download or write the file again")
    }

    /// The rows of each row group, by their numbers in the file.
    public var rowGroups: [Range<Int>] { groups.map(\.rows) }

    /// The names of the columns at the top.
    public var columnNames: [String] { schema.root.children.map(\.name) }

    /// The rows of one row group, as objects.
    public func rows(ofGroup index: Int) throws(FileError) -> [JSON] {
        do throws(ParquetFault) {
            return try file.withBytes { bytes throws(ParquetFault) in
                try rows(groups[index], bytes)
            }
        } catch {
            throw Self.error(path, error)
        }
    }

    private func rows(
        _ group: RowGroup, _ bytes: UnsafeRawBufferPointer
    ) throws(ParquetFault) -> [JSON] {
        var columns: [ParquetColumnData] = []
        for (column, chunk) in zip(schema.columns, group.chunks) {
            var pages = ParquetPages(bytes, column, codec: chunk.codec)
            columns.append(try pages.read(chunk.range, count: chunk.count))
        }
        var assembler = RowAssembler(columns)
        var rows: [JSON] = []
        for _ in group.rows { rows.append(try assembler.row(schema.root)) }
        return rows
    }

    /// The metadata stands at the end: its length, and four bytes that every file begins and ends
    /// with.
    private static func footer(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ParquetFault) -> (ParquetSchema, [RowGroup]) {
        let magic = Array("PAR1".utf8)
        guard bytes.count >= 12, bytes[..<4].elementsEqual(magic) else {
            throw .init(offset: 0, problem: "does not begin with \"PAR1\"")
        }
        guard bytes.suffix(4).elementsEqual(magic) else {
            throw .init(offset: bytes.count - 4, problem: "does not end with \"PAR1\"")
        }
        let raw = bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt32.self)
        let length = Int(UInt32(littleEndian: raw))
        guard length <= bytes.count - 12 else {
            throw .init(offset: bytes.count - 8, problem: "metadata of \(length) bytes")
        }
        let end = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - 8)])
        var reader = ThriftReader(bytes: end, position: bytes.count - 8 - length)
        let metadata = try reader.structure()
        guard let elements = metadata[2]?.list, let groups = metadata[4]?.list else {
            throw .init(offset: reader.position, problem: "the metadata lacks its schema")
        }
        let schema = try ParquetSchema(elements)
        var parsed: [RowGroup] = []
        for group in groups {
            let first = parsed.last?.rows.upperBound ?? 0
            parsed.append(try rowGroup(group, first: first, schema, size: bytes.count))
        }
        return (schema, parsed)
    }

    private static func rowGroup(
        _ group: ThriftValue, first: Int, _ schema: ParquetSchema, size: Int
    ) throws(ParquetFault) -> RowGroup {
        let fault = ParquetFault(offset: 0, problem: "the metadata of a row group is damaged")
        guard let count = group[3]?.int, let columns = group[1]?.list, count >= 0,
            columns.count == schema.columns.count
        else { throw fault }
        // Columns without rows need not lie anywhere.
        if count == 0 { return RowGroup(rows: first..<first, chunks: []) }
        var chunks: [Chunk] = []
        for column in columns {
            let metadata = column[3]
            guard let codec = metadata?[4]?.int, let values = metadata?[5]?.int, values >= 0,
                let length = metadata?[7]?.int, let data = metadata?[9]?.int
            else { throw fault }
            // Some writers give 0 as the dictionary's place when there is none.
            let dictionary = metadata?[11]?.int ?? 0
            let start = dictionary > 0 ? min(dictionary, data) : data
            guard start >= 4, length >= 0, start <= size, length <= size - start else {
                throw fault
            }
            chunks.append(Chunk(codec: codec, range: start..<(start + length), count: values))
        }
        // Every row has at least one entry in every column, so that a false count cannot be large.
        guard chunks.allSatisfy({ count <= $0.count }), !chunks.isEmpty || count == 0 else {
            throw fault
        }
        let (end, overflow) = first.addingReportingOverflow(count)
        guard !overflow else { throw fault }
        return RowGroup(rows: first..<end, chunks: chunks)
    }
}
