internal import ApusBase
internal import CApusHost

/// The levels and values of one column in one row group.
struct ParquetColumnData {
    var repetition: [UInt32] = []
    var definition: [UInt32] = []
    var values: [JSON] = []
}

/// Reads the pages of a column chunk.
struct ParquetPages {
    /// A page has about a megabyte; nobody writes one of a gigabyte.
    static let sizeLimit = 1 << 30

    let file: UnsafeRawBufferPointer
    let column: ParquetColumn
    let codec: Int
    private var dictionary: [JSON] = []
    private var data = ParquetColumnData()

    init(_ file: UnsafeRawBufferPointer, _ column: ParquetColumn, codec: Int) {
        self.file = file
        self.column = column
        self.codec = codec
    }

    /// - Parameter range: the bytes of the chunk.
    mutating func read(_ range: Range<Int>, count: Int) throws(ParquetFault) -> ParquetColumnData {
        // Runs of nulls take next to no space; still, a file must explain what it asks for.
        guard count <= 1_000_000 + 4096 * range.count else {
            throw .init(
                offset: range.lowerBound, problem: "\(count) values in \(range.count) bytes")
        }
        var position = range.lowerBound
        let chunk = UnsafeRawBufferPointer(rebasing: file[..<range.upperBound])
        while data.definition.count < count {
            guard position < range.upperBound else {
                throw .init(offset: position, problem: "column \"\(column.path)\" ends early")
            }
            var reader = ThriftReader(bytes: chunk, position: position)
            let header = try reader.structure()
            guard let size = header[3]?.int, let full = header[2]?.int, size >= 0,
                (0...Self.sizeLimit).contains(full), size <= range.upperBound - reader.position
            else { throw .init(offset: position, problem: "a page with an impossible size") }
            let start = reader.position
            let body = UnsafeRawBufferPointer(rebasing: file[start..<(start + size)])
            do throws(ParquetFault) {
                try page(header, body, full, limit: count)
            } catch {
                throw .init(offset: start, problem: "column \"\(column.path)\": \(error.problem)")
            }
            position = start + size
        }
        return data
    }

    private mutating func page(
        _ header: ThriftValue, _ body: UnsafeRawBufferPointer, _ size: Int, limit: Int
    ) throws(ParquetFault) {
        switch header[1]?.int {
        case 0:
            let bytes = try decompressed(body, size)
            defer { bytes.deallocate() }
            try dataPage(header[5], PageReader(UnsafeRawBufferPointer(bytes)), limit)
        case 1: return
        case 2:
            let bytes = try decompressed(body, size)
            defer { bytes.deallocate() }
            guard let count = header[7]?[1]?.int, count >= 0, count <= max(1, size) * 8 else {
                throw .init(offset: 0, problem: "a dictionary without a size")
            }
            var values = ParquetValues(
                column: column, reader: PageReader(UnsafeRawBufferPointer(bytes)))
            dictionary = try values.plain(count)
        case 3: try dataPageV2(header[8], body, size, limit)
        default: throw .init(offset: 0, problem: "a page of an unknown kind")
        }
    }

    /// The values that are still missing bound what a page may hold.
    private func checked(_ count: Int?, _ limit: Int) throws(ParquetFault) -> Int {
        guard let count, count >= 0, count <= limit - data.definition.count else {
            throw .init(offset: 0, problem: "a page with more values than its column")
        }
        return count
    }

    /// Levels, each with its length before it, and values, all compressed together.
    private mutating func dataPage(
        _ header: ThriftValue?, _ body: PageReader, _ limit: Int
    ) throws(ParquetFault) {
        let count = try checked(header?[1]?.int, limit)
        var reader = body
        let repetition = try levels(&reader, maximum: column.maxRepetition, count, size: nil)
        let definition = try levels(&reader, maximum: column.maxDefinition, count, size: nil)
        try values(header?[2]?.int, reader, repetition, definition)
    }

    /// Levels, whose lengths the header gives, stand uncompressed before the values.
    private mutating func dataPageV2(
        _ header: ThriftValue?, _ body: UnsafeRawBufferPointer, _ size: Int, _ limit: Int
    ) throws(ParquetFault) {
        let count = try checked(header?[1]?.int, limit)
        var reader = PageReader(body)
        let (first, second) = (header?[6]?.int ?? 0, header?[5]?.int ?? 0)
        let repetition = try levels(&reader, maximum: column.maxRepetition, count, size: first)
        let definition = try levels(&reader, maximum: column.maxDefinition, count, size: second)
        let rest = try reader.take(reader.remaining)
        let isCompressed = header?[7]?.bool ?? true
        let full = size - (body.count - rest.count)
        guard isCompressed, !rest.isEmpty, full >= 0 else {
            return try values(header?[4]?.int, PageReader(rest), repetition, definition)
        }
        let bytes = try decompressed(rest, full)
        defer { bytes.deallocate() }
        let plain = PageReader(UnsafeRawBufferPointer(bytes))
        try values(header?[4]?.int, plain, repetition, definition)
    }

    private func levels(
        _ reader: inout PageReader, maximum: Int, _ count: Int, size: Int?
    ) throws(ParquetFault) -> [UInt32] {
        guard maximum > 0 else { return [UInt32](repeating: 0, count: count) }
        var length = size ?? 0
        if size == nil { length = Int(try reader.number(UInt32.self)) }
        var part = PageReader(try reader.take(length))
        let width = Int.bitWidth - maximum.leadingZeroBitCount
        let levels = try part.hybrid(width: width, count: count)
        guard levels.allSatisfy({ $0 <= UInt32(maximum) }) else {
            throw reader.fault("a level beyond the schema")
        }
        return levels
    }

    private mutating func values(
        _ encoding: Int?, _ reader: PageReader, _ repetition: [UInt32], _ definition: [UInt32]
    ) throws(ParquetFault) {
        let count = definition.count { $0 == UInt32(column.maxDefinition) }
        var decoder = ParquetValues(column: column, reader: reader)
        let values: [JSON]
        switch encoding {
        case 0: values = try decoder.plain(count)
        case 2, 8: values = try decoder.indices(count, dictionary: dictionary)
        case 3: values = try decoder.runs(count)
        case 5: values = try decoder.deltas(count)
        case 6: values = try decoder.deltaLengths(count)
        case 7: values = try decoder.deltaTexts(count)
        default: throw reader.fault("encoding \(encoding ?? -1) is not supported")
        }
        data.repetition += repetition
        data.definition += definition
        data.values += values
    }

    /// The most bytes that one compressed byte can stand for: copies of 64 bytes in three (Snappy),
    /// of 258 in two bits (deflate), blocks of 128 KiB in four bytes (Zstandard), lengths of 255 in
    /// one (LZ4).
    private var largestExpansion: Int {
        switch codec {
        case 1: 22
        case 2: 1032
        case 6: 1 << 15
        case 7: 255
        default: 1
        }
    }

    /// The bytes of a page; the caller frees them.
    private func decompressed(
        _ body: UnsafeRawBufferPointer, _ size: Int
    ) throws(ParquetFault) -> UnsafeMutableRawBufferPointer {
        // Before memory is taken for a size that is damaged.
        guard size <= body.count * largestExpansion + 64 else {
            throw .init(
                offset: 0, problem: "a page of \(size) bytes cannot stand in \(body.count)")
        }
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 1), alignment: 16)
        let input = body.bindMemory(to: UInt8.self).baseAddress
        let target = output.bindMemory(to: UInt8.self).baseAddress
        let written: Int64
        switch codec {
        case 0 where body.count == size:
            output.copyMemory(from: body)
            written = Int64(size)
        case 1: written = apus_snappy_decode(input, body.count, target, size)
        case 2: written = apus_gzip_decode(input, body.count, target, size)
        case 6: written = apus_zstd_decode(input, body.count, target, size)
        case 7: written = apus_lz4_decode(input, body.count, target, size)
        default: written = -1
        }
        guard written == Int64(size) else {
            output.deallocate()
            let known = [0, 1, 2, 6, 7].contains(codec)
            let problem = known ? "its compression is damaged" : "compression \(codec) is not known"
            throw .init(offset: 0, problem: problem)
        }
        return output
    }
}
