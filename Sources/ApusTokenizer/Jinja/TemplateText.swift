/// Where a character of rendered text came from.
struct TextOrigin: Hashable, Sendable {
    private let code: Int32

    private init(code: Int32) { self.code = code }

    /// The template itself, or anything that is no message.
    static let template = TextOrigin(code: 0)

    /// The content of message `index`, or another value in it.
    static func message(_ index: Int) -> TextOrigin {
        TextOrigin(code: Int32(truncatingIfNeeded: index * 2 + 1))
    }

    /// The name of the role of message `index`, which templates write into headers.
    static func role(_ index: Int) -> TextOrigin {
        TextOrigin(code: Int32(truncatingIfNeeded: index * 2 + 2))
    }

    var messageIndex: Int? { code == 0 ? nil : Int(code - 1) / 2 }
    var isRole: Bool { code > 0 && code % 2 == 0 }
}

/// A string inside a template: Unicode scalars, as Python counts them, each with its origin.
/// Origins travel through slicing, joining, splitting and filters; equality ignores them.
struct TemplateText: Hashable, Sendable {
    struct Glyph: Sendable {
        var scalar: UInt32
        var origin: TextOrigin
        /// The message in whose turn of a loop this was written, or -1.
        var turn: Int32 = -1
        /// Written inside `{% generation %}`.
        var isGenerated = false
    }

    var glyphs: [Glyph]

    init(glyphs: some Sequence<Glyph> = []) { self.glyphs = Array(glyphs) }

    init(_ string: String, origin: TextOrigin = .template) {
        glyphs = string.unicodeScalars.map { Glyph(scalar: $0.value, origin: origin) }
    }

    static func == (left: TemplateText, right: TemplateText) -> Bool {
        left.glyphs.elementsEqual(right.glyphs) { $0.scalar == $1.scalar }
    }

    func hash(into hasher: inout Hasher) {
        for glyph in glyphs { hasher.combine(glyph.scalar) }
    }

    static func + (left: TemplateText, right: TemplateText) -> TemplateText {
        TemplateText(glyphs: left.glyphs + right.glyphs)
    }

    var count: Int { glyphs.count }
    var isEmpty: Bool { glyphs.isEmpty }
    var scalars: [UInt32] { glyphs.map(\.scalar) }

    var string: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(glyphs.count)
        for glyph in glyphs { bytes.append(scalar: glyph.scalar) }
        return String(decoding: bytes, as: UTF8.self)
    }

    func text(_ range: Range<Int>) -> TemplateText { TemplateText(glyphs: glyphs[range]) }

    /// Where `other` first occurs at or after `start`.
    func firstIndex(of other: TemplateText, from start: Int = 0) -> Int? {
        guard start + other.count <= count else { return nil }
        return (start...(count - other.count)).first { matches(other, at: $0) }
    }

    func lastIndex(of other: TemplateText) -> Int? {
        guard other.count <= count else { return nil }
        return (0...(count - other.count)).last { matches(other, at: $0) }
    }

    func matches(_ other: TemplateText, at index: Int) -> Bool {
        guard index >= 0, index + other.count <= count else { return false }
        return other.glyphs.indices.allSatisfy {
            glyphs[index + $0].scalar == other.glyphs[$0].scalar
        }
    }

    /// The text without what `isStripped` accepts at the chosen ends.
    func trimmed(left: Bool, right: Bool, where isStripped: (UInt32) -> Bool) -> TemplateText {
        var (start, end) = (0, count)
        while left, start < end, isStripped(glyphs[start].scalar) { start += 1 }
        while right, end > start, isStripped(glyphs[end - 1].scalar) { end -= 1 }
        return text(start..<end)
    }

    /// Each character replaced by what `map` makes of it, with its origin.
    func mapScalars(_ map: (Unicode.Scalar, Int) -> String) -> TemplateText {
        var result: [Glyph] = []
        for (index, glyph) in glyphs.enumerated() {
            guard let scalar = Unicode.Scalar(glyph.scalar) else { continue }
            for mapped in map(scalar, index).unicodeScalars {
                var copy = glyph
                copy.scalar = mapped.value
                result.append(copy)
            }
        }
        return TemplateText(glyphs: result)
    }

    /// Python's `str.isspace` for one character.
    static func isSpace(_ scalar: UInt32) -> Bool {
        ScalarTable.shared.isWhiteSpace(scalar) || (0x1C...0x1F).contains(scalar)
    }
}

extension TemplateText: Comparable {
    static func < (left: TemplateText, right: TemplateText) -> Bool {
        left.glyphs.lexicographicallyPrecedes(right.glyphs) { $0.scalar < $1.scalar }
    }
}
