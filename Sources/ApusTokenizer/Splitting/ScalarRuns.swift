/// What the published split patterns distinguish.
enum SplitClass {
    case letter, number, space, other
}

/// The pieces from which the scanners of the published split patterns are built. All take and
/// return byte offsets into valid UTF-8 and never look past `end`.
struct ScalarRuns: Sendable {
    private let table = ScalarTable.shared

    @inline(__always)
    func splitClass(_ scalar: UInt32) -> SplitClass {
        let entry = table[scalar]
        let bit: UInt32 = 1 << UInt32(entry & 31)
        if CategorySet.letter.rawValue & bit != 0 { return .letter }
        if entry & ScalarTable.whiteSpaceFlag != 0 { return .space }
        return CategorySet.number.rawValue & bit != 0 ? .number : .other
    }

    @inline(__always)
    func splitClass(in text: UnsafePointer<UInt8>, at index: Int) -> SplitClass {
        splitClass(text.scalar(at: index).value)
    }

    /// The end of the run of `wanted` that begins at `start`.
    @inline(__always)
    func runEnd(
        of wanted: SplitClass, in text: UnsafePointer<UInt8>, from start: Int, to end: Int
    ) -> Int {
        var index = start
        while index < end {
            let (value, length) = text.scalar(at: index)
            guard splitClass(value) == wanted else { break }
            index += length
        }
        return index
    }

    /// The end of at most `limit` numbers.
    @inline(__always)
    func numberEnd(
        limit: Int, in text: UnsafePointer<UInt8>, from start: Int, to end: Int
    ) -> Int {
        var index = start
        var count = 0
        while index < end, count < limit {
            let (value, length) = text.scalar(at: index)
            guard splitClass(value) == .number else { break }
            index += length
            count += 1
        }
        return index
    }

    /// `\s+(?!\S)|\s+`: all the white space at the end of the text; before other text all but the
    /// last of it, so that one space stays with the word that follows.
    func whiteSpaceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let runEnd = runEnd(of: .space, in: text, from: start, to: end)
        guard runEnd < end else { return end }
        let last = text.scalarStart(before: runEnd)
        return last > start ? last : runEnd
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    func lineOrSpaceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = runEnd(of: .space, in: text, from: start, to: end)
        while index > start, !isLineBreak(text[index - 1]) { index -= 1 }
        if index > start { return index }
        return whiteSpaceEnd(in: text, from: start, to: end)
    }

    /// `[\r\n]*`
    @inline(__always)
    func lineBreakEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        while index < end, isLineBreak(text[index]) { index += 1 }
        return index
    }

    @inline(__always)
    func isLineBreak(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }
}

/// The English contractions `'s 't 're 've 'm 'll 'd`.
enum Contraction {
    /// The length in bytes of the contraction that begins at `start`, 0 when none does.
    static func length(
        in text: UnsafePointer<UInt8>, from start: Int, to end: Int, ignoringCase: Bool
    ) -> Int {
        guard start + 1 < end, text[start] == UInt8(ascii: "'") else { return 0 }
        let fold: UInt8 = ignoringCase ? 0x20 : 0
        let first = folded(text[start + 1], fold)
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return 2
        case 0xC5 where ignoringCase:
            // U+017F, the long s, is a case variant of s.
            return start + 2 < end && text[start + 2] == 0xBF ? 3 : 0
        default:
            break
        }
        guard start + 2 < end else { return 0 }
        switch (first, folded(text[start + 2], fold)) {
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return 3
        default:
            return 0
        }
    }

    private static func folded(_ byte: UInt8, _ fold: UInt8) -> UInt8 {
        byte &- UInt8(ascii: "A") < 26 ? byte | fold : byte
    }
}
