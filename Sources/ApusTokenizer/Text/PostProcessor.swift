/// What happens to the tokens of one text or of two: tokens put around them, offsets trimmed.
struct PostProcessor: Sendable {
    enum Item: Sendable, Hashable {
        case tokens([Int32], typeID: Int32)
        /// The first text or, in a pair, the second.
        case text(Int, typeID: Int32)
    }

    /// What surrounds one text, and what two.
    struct Template: Sendable {
        var single: [Item] = [.text(0, typeID: 0)]
        var pair: [Item] = [.text(0, typeID: 0), .text(1, typeID: 1)]

        func items(for textCount: Int) -> [Item] { textCount == 1 ? single : pair }
    }

    var template = Template()
    /// Offsets leave out the spaces that belong to tokens.
    var trim: OffsetTrim?

    struct OffsetTrim: Sendable {
        /// The first token's space was added and is not in the text.
        var keepsPrefixSpace: Bool
    }

    /// Number of tokens put around one text or two.
    func addedCount(for textCount: Int) -> Int {
        template.items(for: textCount).reduce(0) { count, item in
            if case .tokens(let ids, _) = item { count + ids.count } else { count }
        }
    }

    func wrap(_ ids: [Int32]) -> [Int32] {
        template.single.flatMap { item in
            switch item {
            case .tokens(let ids, _): ids
            case .text: ids
            }
        }
    }

    /// One or two texts as one input, with their types and ranges.
    func wrap(_ texts: [Encoding], addSpecialTokens: Bool) -> Encoding {
        var whole = Encoding()
        whole.texts = texts.map { _ in 0..<0 }
        for item in template.items(for: texts.count) {
            let start = whole.ids.count
            switch item {
            case .tokens(let ids, let typeID):
                guard addSpecialTokens else { continue }
                whole.append(ids, [Range<Int>](repeating: 0..<0, count: ids.count), typeID)
            case .text(let index, let typeID):
                whole.append(texts[index].ids, texts[index].offsets, typeID)
                whole.texts[index] = start..<whole.ids.count
            }
        }
        return whole
    }
}

extension Encoding {
    fileprivate mutating func append(_ ids: [Int32], _ offsets: [Range<Int>], _ typeID: Int32) {
        self.ids += ids
        self.offsets += offsets
        typeIDs += repeatElement(typeID, count: ids.count)
    }
}

/// The white space at the ends of a token, in characters.
struct SpaceEdges: Sendable {
    var leading: Int32 = 0
    var trailing: Int32 = 0
}

extension Pipeline {
    /// Takes the spaces at the ends of tokens out of their offsets, where the post-processor says
    /// so.
    func trim(_ raw: Encoding, of source: [UInt8]) -> Encoding {
        guard let trim = postProcessor.trim else { return raw }
        var encoding = raw
        for (index, id) in encoding.ids.enumerated() {
            let edges = spaceEdges[Int(id)]
            guard edges.leading | edges.trailing != 0 else { continue }
            var leading = Int(edges.leading)
            let range = encoding.offsets[index]
            let isFirst = index == 0 || range.lowerBound == 0
            // One space was added and is not in the text; more were there and are cut off.
            if isFirst, trim.keepsPrefixSpace, leading == 1 { leading = 0 }
            let lower = characters(leading, after: range.lowerBound, in: source)
            let upper = characters(Int(edges.trailing), before: range.upperBound, in: source)
            let start = min(lower, range.upperBound)
            encoding.offsets[index] = start..<max(upper, start)
        }
        return encoding
    }

    func spaceEdges(of id: Int32) -> SpaceEdges {
        let text = (token(of: id) ?? "").unicodeScalars
        return SpaceEdges(
            leading: Int32(text.prefix(while: isSpace).count),
            trailing: Int32(text.reversed().prefix(while: isSpace).count))
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
