/// A run of valid UTF-8, read scalar by scalar without bounds checks.
typealias ByteBuffer = UnsafeBufferPointer<UInt8>

extension UnsafePointer<UInt8> {
    /// The scalar that begins at `index` of valid UTF-8, and its length in bytes.
    @inline(__always)
    func scalar(at index: Int) -> (value: UInt32, length: Int) {
        let first = UInt32(self[index])
        if first < 0x80 { return (first, 1) }
        let second = UInt32(self[index + 1]) & 0x3F
        if first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
        let third = UInt32(self[index + 2]) & 0x3F
        if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
        let fourth = UInt32(self[index + 3]) & 0x3F
        let high = (first & 0x07) << 18 | second << 12
        return (high | third << 6 | fourth, 4)
    }

    /// The start of the scalar that ends before `index`.
    @inline(__always)
    func scalarStart(before index: Int) -> Int {
        var start = index - 1
        while self[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }
}

extension [UInt8] {
    /// Appends a scalar in UTF-8.
    @inline(__always)
    mutating func append(scalar: UInt32) {
        if scalar < 0x80 {
            append(UInt8(truncatingIfNeeded: scalar))
            return
        }
        if scalar < 0x800 {
            append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
        } else {
            if scalar < 0x1_0000 {
                append(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
            } else {
                append(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
                append(UInt8(truncatingIfNeeded: 0x80 | (scalar >> 12 & 0x3F)))
            }
            append(UInt8(truncatingIfNeeded: 0x80 | (scalar >> 6 & 0x3F)))
        }
        append(UInt8(truncatingIfNeeded: 0x80 | (scalar & 0x3F)))
    }
}
