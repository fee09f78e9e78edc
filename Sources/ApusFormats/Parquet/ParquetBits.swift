/// Numbers of any width up to 64 bits, packed from the low end of each byte on.
struct BitReader {
    let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Zero beyond the end; the caller has checked the length.
    mutating func next(_ width: Int) -> UInt64 {
        var value: UInt64 = 0
        var done = 0
        while done < width {
            let shift = position % 8
            let part = min(8 - shift, width - done)
            let byte = position / 8 < bytes.count ? bytes[position / 8] : 0
            let bits = UInt64(byte >> UInt8(shift)) & ((1 << UInt64(part)) - 1)
            value |= bits << UInt64(done)
            done += part
            position += part
        }
        return value
    }
}

/// A cursor over the bytes of a page.
struct PageReader {
    let bytes: UnsafeRawBufferPointer
    var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var remaining: Int { bytes.count - position }

    func fault(_ problem: String) -> ParquetFault { .init(offset: position, problem: problem) }

    mutating func take(_ count: Int) throws(ParquetFault) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else { throw fault("a page ends early") }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
    }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type) throws(ParquetFault) -> Number {
        let raw = try take(MemoryLayout<Number>.size)
        return Number(littleEndian: raw.loadUnaligned(as: Number.self))
    }

    mutating func varint() throws(ParquetFault) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = try number(UInt8.self)
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw fault("a number is longer than 64 bits")
    }

    mutating func zigzag() throws(ParquetFault) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// Runs of one number and bit-packed groups of eight in turn (parquet-format, Encodings.md).
    mutating func hybrid(width: Int, count: Int) throws(ParquetFault) -> [UInt32] {
        guard (0...32).contains(width) else { throw fault("numbers of \(width) bits") }
        if width == 0 { return [UInt32](repeating: 0, count: count) }
        var values: [UInt32] = []
        values.reserveCapacity(count)
        while values.count < count {
            let header = try varint()
            let wanted = count - values.count
            if header & 1 == 1 {
                guard header >> 1 <= UInt64(remaining) else { throw fault("a page ends early") }
                // The last group may be cut short in the file.
                let bytes = min(Int(header >> 1) * width, remaining)
                let available = bytes * 8 / width
                guard available > 0 else { throw fault("a page ends early") }
                var bits = BitReader(try take(bytes))
                for _ in 0..<min(wanted, available) { values.append(UInt32(bits.next(width))) }
            } else {
                var value: UInt32 = 0
                for byte in 0..<((width + 7) / 8) {
                    value |= UInt32(try number(UInt8.self)) << UInt32(8 * byte)
                }
                let run = Int(exactly: header >> 1).map { min($0, wanted) } ?? wanted
                guard run > 0 else { throw fault("a run of nothing") }
                values.append(contentsOf: repeatElement(value, count: run))
            }
        }
        return values
    }
}
