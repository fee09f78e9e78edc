/// What the splitters need to know of a Unicode scalar: one byte for each of the 1.1 million,
/// unpacked from ``CategoryTable`` once, so that a lookup is one load.
///
/// Bits 0 to 4 hold the general category; the flags follow what the reference library's regular
/// expressions and Rust's standard library say, which is not always what the category says.
struct ScalarTable: Sendable {
    static let shared = ScalarTable()

    static let whiteSpaceFlag: UInt8 = 1 << 5
    static let numericFlag: UInt8 = 1 << 6
    static let wordFlag: UInt8 = 1 << 7
    static let scalarCount = 0x11_0000

    // Written only in the initializer, never freed: sharing the pointer is safe.
    nonisolated(unsafe) let entries: UnsafePointer<UInt8>

    private init() {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: Self.scalarCount)
        Self.unpackCategories(into: table)
        Self.flag(Self.numericFlag, in: table, from: "", except: CategoryTable.numericMissing)
        Self.flag(Self.numericFlag, in: table, from: CategoryTable.numericExtra, except: "")
        Self.flag(Self.wordFlag, in: table, from: CategoryTable.wordExtra, except: "")
        Self.flag(Self.wordFlag, in: table, from: "", except: CategoryTable.wordMissing)
        Self.flag(
            Self.whiteSpaceFlag, in: table,
            from: "9-d 20 85 a0 1680 2000-200a 2028 2029 202f 205f 3000", except: "")
        entries = UnsafePointer(table)
    }

    private static func unpackCategories(into table: UnsafeMutablePointer<UInt8>) {
        let wordCategories: CategorySet = [
            .letter, .mark, CategorySet(.nd, .nl, .pc),
        ]
        let text = CategoryTable.runs
        var position = 0
        var scalar = 0
        while position < text.utf8CodeUnitCount {
            let letter = text.utf8Start[position]
            let category = letter == UInt8(ascii: "~") ? 27 : letter - UInt8(ascii: "A")
            position += 1
            var length = 0
            while position < text.utf8CodeUnitCount, text.utf8Start[position] &- 0x30 < 10 {
                length = length * 10 + Int(text.utf8Start[position] - 0x30)
                position += 1
            }
            length = max(length, 1)
            let bit = CategorySet(rawValue: 1 << UInt32(category))
            var entry = category
            if CategorySet.number.contains(bit) { entry |= numericFlag }
            if wordCategories.contains(bit) { entry |= wordFlag }
            (table + scalar).initialize(repeating: entry, count: length)
            scalar += length
        }
        precondition(scalar == scalarCount, "the category table covers every scalar")
    }

    private static func flag(
        _ flag: UInt8, in table: UnsafeMutablePointer<UInt8>, from extra: StaticString,
        except missing: StaticString
    ) {
        for range in ScalarRanges.parse(extra) {
            for scalar in range { table[Int(scalar)] |= flag }
        }
        for range in ScalarRanges.parse(missing) {
            for scalar in range { table[Int(scalar)] &= ~flag }
        }
    }

    @inline(__always)
    subscript(scalar: UInt32) -> UInt8 { entries[Int(scalar)] }

    func contains(_ scalar: UInt32, in set: CategorySet) -> Bool {
        set.rawValue >> UInt32(entries[Int(scalar)] & 31) & 1 != 0
    }

    /// Unicode White_Space, which `\s` and Rust's `char::is_whitespace` both mean.
    func isWhiteSpace(_ scalar: UInt32) -> Bool { self[scalar] & Self.whiteSpaceFlag != 0 }

    /// Rust's `char::is_numeric`.
    func isNumeric(_ scalar: UInt32) -> Bool { self[scalar] & Self.numericFlag != 0 }

    /// `\w` of Rust's regex crate.
    func isWord(_ scalar: UInt32) -> Bool { self[scalar] & Self.wordFlag != 0 }
}

/// Ranges of scalars as the generated tables write them: `9-d 20 85`, hexadecimal.
enum ScalarRanges {
    static func parse(_ text: StaticString) -> [ClosedRange<UInt32>] {
        text.withUTF8Buffer { parse($0[...]) }
    }

    static func parse(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> [ClosedRange<UInt32>] {
        text.split(separator: UInt8(ascii: " ")).map { part in
            let ends = part.split(separator: UInt8(ascii: "-")).map(hexadecimal)
            return ends[0]...ends[ends.count - 1]
        }
    }

    /// The value of hexadecimal digits in a generated table.
    static func hexadecimal(_ digits: some Sequence<UInt8>) -> UInt32 {
        digits.reduce(0) { value, digit in
            let isDecimal = digit <= UInt8(ascii: "9")
            let offset = isDecimal ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10
            return value << 4 | UInt32(digit - offset)
        }
    }
}
