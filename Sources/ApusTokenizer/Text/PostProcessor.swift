/// What happens to the ids of a whole text: tokens put around it, offsets trimmed.
struct PostProcessor: Sendable {
    enum Item: Sendable, Hashable {
        case tokens([Int32])
        case text
    }

    /// One layer around the text; several are nested, the first innermost.
    var templates: [[Item]] = []
    /// Offsets leave out the spaces that belong to tokens.
    var trim: OffsetTrim?

    struct OffsetTrim: Sendable {
        /// The first token's space was added and is not in the text.
        var keepsPrefixSpace: Bool
    }

    /// Number of tokens put around a text.
    var addedCount: Int {
        templates.joined().reduce(0) { count, item in
            if case .tokens(let ids) = item { count + ids.count } else { count }
        }
    }

    func wrap(_ ids: [Int32]) -> [Int32] {
        templates.reduce(ids) { inner, template in
            template.flatMap { item in
                switch item {
                case .tokens(let ids): ids
                case .text: inner
                }
            }
        }
    }

    func wrap(_ encoding: Encoding) -> Encoding {
        templates.reduce(encoding) { inner, template in
            var outer = Encoding()
            for item in template {
                switch item {
                case .tokens(let ids):
                    for id in ids { outer.append(id, 0..<0) }
                case .text:
                    outer.ids += inner.ids
                    outer.offsets += inner.offsets
                }
            }
            return outer
        }
    }
}

extension Pipeline {
    /// Takes the spaces at the ends of tokens out of their offsets, where the post-processor says
    /// so.
    func trimOffsets(_ encoding: inout Encoding, of source: [UInt8]) {
        guard let trim = postProcessor.trim else { return }
        for index in encoding.ids.indices {
            let text = (token(of: encoding.ids[index]) ?? "").unicodeScalars
            var leading = text.prefix(while: isSpace).count
            let trailing = text.reversed().prefix(while: isSpace).count
            let range = encoding.offsets[index]
            let isFirst = index == 0 || range.lowerBound == 0
            // One space was added and is not in the text; more were there and are cut off.
            if isFirst, trim.keepsPrefixSpace, leading == 1 { leading = 0 }
            let lower = characters(leading, after: range.lowerBound, in: source)
            let upper = characters(trailing, before: range.upperBound, in: source)
            let start = min(lower, range.upperBound)
            encoding.offsets[index] = start..<max(upper, start)
        }
    }

    private func characters(_ count: Int, after offset: Int, in source: [UInt8]) -> Int {
        var end = offset
        for _ in 0..<count where end < source.count {
            end += 1
            while end < source.count, source[end] & 0xC0 == 0x80 { end += 1 }
        }
        return end
    }

    /// The offset itself where there are not so many characters.
    private func characters(_ count: Int, before offset: Int, in source: [UInt8]) -> Int {
        var start = offset
        for _ in 0..<count {
            guard start > 0 else { return offset }
            start -= 1
            while start > 0, source[start] & 0xC0 == 0x80 { start -= 1 }
        }
        return start
    }

    /// U+0120 stands for a space in the files of byte-level models.
    private func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\u{120}" || ScalarTable.shared.isWhiteSpace(scalar.value)
    }
}
