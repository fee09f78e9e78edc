/// Python's ways to split a string.
enum TextSplitting {
    /// `split()` without a separator: runs of white space part words. With a limit the rest stays
    /// whole.
    static func words(_ text: TemplateText, limit: Int?) -> [TemplateText] {
        var words: [TemplateText] = []
        var index = 0
        while true {
            while index < text.count, TemplateText.isSpace(text.glyphs[index].scalar) { index += 1 }
            guard index < text.count else { return words }
            if let limit, words.count == limit {
                words.append(text.text(index..<text.count))
                return words
            }
            let start = index
            while index < text.count, !TemplateText.isSpace(text.glyphs[index].scalar) {
                index += 1
            }
            words.append(text.text(start..<index))
        }
    }

    /// `split(separator, limit)`
    static func parts(
        _ text: TemplateText, separator: TemplateText, limit: Int?
    ) -> [TemplateText] {
        var parts: [TemplateText] = []
        var index = 0
        while limit.map({ parts.count < $0 }) ?? true,
            let match = text.firstIndex(of: separator, from: index)
        {
            parts.append(text.text(index..<match))
            index = match + separator.count
        }
        return parts + [text.text(index..<text.count)]
    }

    /// `rsplit`: the same from the right.
    static func partsFromRight(
        _ text: TemplateText, separator: TemplateText?, limit: Int?
    ) -> [TemplateText] {
        let mirrored = TemplateText(glyphs: text.glyphs.reversed())
        let mirroredParts: [TemplateText]
        if let separator {
            let backwards = TemplateText(glyphs: separator.glyphs.reversed())
            mirroredParts = parts(mirrored, separator: backwards, limit: limit)
        } else {
            mirroredParts = words(mirrored, limit: limit)
        }
        return mirroredParts.reversed().map { TemplateText(glyphs: $0.glyphs.reversed()) }
    }

    /// `splitlines(keepends)`
    static func lines(_ text: TemplateText, keepsEnds: Bool) -> [TemplateText] {
        let breaks: Set<UInt32> = [10, 11, 12, 13, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029]
        var lines: [TemplateText] = []
        var start = 0
        var index = 0
        while index < text.count {
            let scalar = text.glyphs[index].scalar
            guard breaks.contains(scalar) else {
                index += 1
                continue
            }
            let isPair =
                scalar == 13 && index + 1 < text.count && text.glyphs[index + 1].scalar == 10
            let end = index + (isPair ? 2 : 1)
            lines.append(text.text(start..<(keepsEnds ? end : index)))
            (start, index) = (end, end)
        }
        if start < text.count { lines.append(text.text(start..<text.count)) }
        return lines
    }
}
