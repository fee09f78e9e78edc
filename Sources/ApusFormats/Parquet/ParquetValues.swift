internal import ApusBase

/// Decodes the values of one page; nulls are not among them.
struct ParquetValues {
    let column: ParquetColumn
    var reader: PageReader

    func fault(_ problem: String) -> ParquetFault { reader.fault(problem) }

    mutating func plain(_ count: Int) throws(ParquetFault) -> [JSON] {
        var values: [JSON] = []
        values.reserveCapacity(min(count, reader.remaining * 8))
        if column.type == .boolean {
            var bits = BitReader(try reader.take((count + 7) / 8))
            for _ in 0..<count { values.append(.bool(bits.next(1) == 1)) }
            return values
        }
        for _ in 0..<count { values.append(try plainValue()) }
        return values
    }

    private mutating func plainValue() throws(ParquetFault) -> JSON {
        switch column.type {
        case .boolean: return .bool(try reader.number(UInt8.self) != 0)
        case .int32: return integer(Int64(try reader.number(Int32.self)))
        case .int64: return integer(try reader.number(Int64.self))
        case .float: return .number(Double(Float(bitPattern: try reader.number(UInt32.self))))
        case .double: return .number(Double(bitPattern: try reader.number(UInt64.self)))
        case .int96: return text(try reader.take(12))
        case .fixedByteArray: return text(try reader.take(column.typeLength))
        case .byteArray: return text(try reader.take(Int(try reader.number(UInt32.self))))
        }
    }

    private func integer(_ value: Int64) -> JSON {
        guard column.isUnsigned, value < 0 else { return .integer(Int(value)) }
        if column.type == .int32 { return .integer(Int(UInt32(truncatingIfNeeded: value))) }
        return .number(Double(UInt64(bitPattern: value)))
    }

    /// Bytes that are no text have no form in JSON and are null.
    private func text(_ bytes: UnsafeRawBufferPointer) -> JSON {
        String(validating: bytes, as: UTF8.self).map { .string($0) } ?? .null
    }

    /// Indices into the dictionary.
    mutating func indices(_ count: Int, dictionary: [JSON]) throws(ParquetFault) -> [JSON] {
        if count == 0 { return [] }
        let width = Int(try reader.number(UInt8.self))
        var values: [JSON] = []
        values.reserveCapacity(count)
        for index in try reader.hybrid(width: width, count: count) {
            guard Int(index) < dictionary.count else {
                throw fault("index \(index) into a dictionary of \(dictionary.count)")
            }
            values.append(dictionary[Int(index)])
        }
        return values
    }

    /// Booleans as runs, with their length before them.
    mutating func runs(_ count: Int) throws(ParquetFault) -> [JSON] {
        guard column.type == .boolean else { throw fault("runs of something else than booleans") }
        _ = try reader.number(UInt32.self)
        return try reader.hybrid(width: 1, count: count).map { .bool($0 == 1) }
    }

    mutating func deltas(_ count: Int) throws(ParquetFault) -> [JSON] {
        guard column.type == .int32 || column.type == .int64 else {
            throw fault("differences of something else than integers")
        }
        let isNarrow = column.type == .int32
        return try differences(count).map { value in
            integer(isNarrow ? Int64(Int32(truncatingIfNeeded: value)) : value)
        }
    }

    /// Texts after all their lengths.
    mutating func deltaLengths(_ count: Int) throws(ParquetFault) -> [JSON] {
        let lengths = try differences(count)
        var values: [JSON] = []
        for length in lengths { values.append(text(try reader.take(Int(clamping: length)))) }
        return values
    }

    /// Texts that share their beginning with the one before.
    mutating func deltaTexts(_ count: Int) throws(ParquetFault) -> [JSON] {
        let prefixes = try differences(count)
        let lengths = try differences(count)
        var values: [JSON] = []
        var last: [UInt8] = []
        var total = 0
        for (prefix, length) in zip(prefixes, lengths) {
            guard prefix >= 0, prefix <= last.count else { throw fault("a text's beginning") }
            last.removeLast(last.count - Int(prefix))
            last += try reader.take(Int(clamping: length))
            // Texts may grow with each other: their sum is what a hostile page could blow up.
            total += last.count
            guard total <= ParquetPages.sizeLimit else { throw fault("texts of more than 1 GiB") }
            values.append(last.withUnsafeBytes { text($0) })
        }
        return values
    }

    /// DELTA_BINARY_PACKED: a first value, then blocks of miniblocks of bit-packed differences.
    private mutating func differences(_ count: Int) throws(ParquetFault) -> [Int64] {
        let blockSize = try reader.varint()
        let miniblocks = try reader.varint()
        let total = try reader.varint()
        var value = try reader.zigzag()
        guard blockSize <= 1 << 20, (1...512).contains(miniblocks), total == UInt64(count) else {
            throw fault("a block of differences with \(total) values where \(count) should be")
        }
        let perMiniblock = Int(blockSize / miniblocks)
        guard perMiniblock > 0 else { throw fault("miniblocks of nothing") }
        var values: [Int64] = count > 0 ? [value] : []
        while values.count < count {
            let least = try reader.zigzag()
            let widths = try reader.take(Int(miniblocks))
            for width in widths where values.count < count {
                guard width <= 64 else { throw fault("differences of \(width) bits") }
                let size = (perMiniblock * Int(width) + 7) / 8
                var bits = BitReader(try reader.take(min(size, reader.remaining)))
                for _ in 0..<min(perMiniblock, count - values.count) {
                    value = value &+ least &+ Int64(bitPattern: bits.next(Int(width)))
                    values.append(value)
                }
            }
        }
        return values
    }
}
