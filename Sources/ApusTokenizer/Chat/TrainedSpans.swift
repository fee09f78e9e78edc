/// Finds the part of a rendered conversation that the model is trained to write.
///
/// Every character carries where it came from (``TextOrigin``) and in which message's turn of a
/// loop it was written, so unmodified templates need no markers:
///
/// 1. Where the template has `{% generation %}` blocks, exactly these are trained.
/// 2. Otherwise an assistant's message begins behind its header. The header is known, because
///    `add_generation_prompt` writes the same one: whatever a template puts between header and
///    content
///    (a `<think>` or `<tool_call>` tag) is the model's to write, and trained. A template without
///    a generation prompt has the header that it writes before plain content.
/// 3. The message ends with the first special token behind its content, inside the message's turn,
///    and those that follow without a gap. Without one it ends with its content. A line break
///    behind
///    the end is not trained: nothing reads it when the model answers.
struct TrainedSpans {
    private let glyphs: [TemplateText.Glyph]
    /// By message: where its content stands, and from where to where its turn of a loop wrote.
    private var contents: [Int: [Range<Int>]] = [:]
    private var turns: [Int: Range<Int>] = [:]
    private let generationPrompt: [UInt32]
    /// What stands before plain content in a message's turn; empty where nobody asked.
    private var plainHeader: [UInt32]?
    private let specialTokens: AddedTokenMatcher

    /// - Parameters:
    ///   - rendered: the conversation without a generation prompt.
    ///   - prompted: the same with one; nil when the template failed on it.
    ///   - plain: asked for where a template has no generation prompt: a conversation that ends in
    ///     an assistant's plain content, the message of that number; nil when the template fails.
    init(
        rendered: TemplateText, prompted: TemplateText?, specialTokens: AddedTokenMatcher,
        plain: () -> (text: TemplateText, message: Int)? = { nil }
    ) {
        glyphs = rendered.glyphs
        self.specialTokens = specialTokens
        if let prompted, prompted.matches(rendered, at: 0) {
            generationPrompt = prompted.glyphs[rendered.count...].map(\.scalar)
        } else {
            generationPrompt = []
        }
        for (position, glyph) in glyphs.enumerated() {
            if let index = glyph.origin.messageIndex, !glyph.origin.isRole {
                Self.extend(&contents[index, default: []], by: position)
            }
            let turn = Int(glyph.turn)
            turns[turn] = (turns[turn]?.lowerBound ?? position)..<position + 1
        }
        if generationPrompt.isEmpty, let (text, message) = plain() {
            let turn = text.glyphs.drop { Int($0.turn) != message }
            let header = turn.prefix { $0.origin.messageIndex != message || $0.origin.isRole }
            plainHeader = header.count < turn.count ? header.map(\.scalar) : nil
        }
    }

    /// Ranges of characters, in order.
    func spans(of messages: [ChatMessage]) -> [Range<Int>] {
        var generated: [Range<Int>] = []
        for (position, glyph) in glyphs.enumerated() where glyph.isGenerated {
            Self.extend(&generated, by: position)
        }
        if !generated.isEmpty { return generated }
        var spans: [Range<Int>] = []
        for (index, message) in messages.enumerated() where message.role == "assistant" {
            if let span = span(of: index) { spans.append(span) }
        }
        return spans
    }

    func contentSpans(of index: Int) -> [Range<Int>] { contents[index] ?? [] }

    private static func extend(_ runs: inout [Range<Int>], by position: Int) {
        if let last = runs.last, last.upperBound == position {
            runs[runs.count - 1] = last.lowerBound..<position + 1
        } else {
            runs.append(position..<position + 1)
        }
    }

    private func span(of index: Int) -> Range<Int>? {
        let content = contentSpans(of: index)
        let turn = turn(of: index, content)
        let inTurn = content.filter { turn.contains($0.lowerBound) }
        let headerLimit = inTurn.first?.lowerBound ?? turn.upperBound
        let written = turn.lowerBound..<headerLimit
        let header = headerEnd(in: written) ?? plainHeaderEnd(in: written)
        guard let start = header ?? inTurn.first?.lowerBound else { return nil }
        let contentEnd = max(inTurn.last?.upperBound ?? start, start)
        let end = terminatorEnd(in: contentEnd..<max(turn.upperBound, contentEnd)) ?? contentEnd
        return start < end ? start..<end : nil
    }

    /// Everything written in the message's turn of the loop. For templates that loop over something
    /// else: from the end of the message before to the beginning of the next.
    private func turn(of index: Int, _ content: [Range<Int>]) -> Range<Int> {
        if let turn = turns[index] { return turn }
        let before = glyphs.lastIndex { ($0.origin.messageIndex ?? index) < index }
        let after = glyphs.firstIndex { ($0.origin.messageIndex ?? index) > index }
        let start = before.map { $0 + 1 } ?? 0
        let nextHeader = after.map {
            nextMessageStart(before: $0, from: content.last?.upperBound ?? start)
        }
        return start..<max(nextHeader ?? glyphs.count, start)
    }

    /// Where the header of the next message may begin: behind the first special token after this
    /// message's content, when more of them follow.
    private func nextMessageStart(before position: Int, from start: Int) -> Int {
        guard start < position else { return position }
        let tokens = specialTokenRanges(in: start..<position)
        return tokens.count > 1 ? tokens[1].lowerBound : start
    }

    /// The end of the header: of the longest beginning of the generation prompt that stands in
    /// `range`, of equally long ones the last. At least half of it must be there.
    private func headerEnd(in range: Range<Int>) -> Int? {
        let prompt = generationPrompt
        let matches = PrefixMatches.lengths(prompt + glyphs[range].map(\.scalar))
        var best: (end: Int, length: Int)?
        for start in range {
            let length = min(matches[prompt.count + start - range.lowerBound], prompt.count)
            if length > 0, length >= best?.length ?? 0 { best = (start + length, length) }
        }
        guard let best, best.length * 2 >= generationPrompt.count else { return nil }
        return best.end
    }

    /// The end of what `range` has in common with the header of plain content.
    private func plainHeaderEnd(in range: Range<Int>) -> Int? {
        guard let plainHeader else { return nil }
        let common = zip(range, plainHeader).prefix { glyphs[$0].scalar == $1 }.count
        return range.lowerBound + common
    }

    private func terminatorEnd(in range: Range<Int>) -> Int? {
        let tokens = specialTokenRanges(in: range)
        guard var end = tokens.first?.upperBound else { return nil }
        // Some models end the answer and the turn, with one token each.
        for token in tokens.dropFirst() where token.lowerBound == end { end = token.upperBound }
        return end
    }

    private func specialTokenRanges(in range: Range<Int>) -> [Range<Int>] {
        var bytes: [UInt8] = []
        var positions: [Int] = []
        for position in range {
            let start = bytes.count
            bytes.append(scalar: glyphs[position].scalar)
            for _ in start..<bytes.count { positions.append(position) }
        }
        return specialTokens.split(bytes, 0..<bytes.count).compactMap { part in
            guard case .token(_, let found) = part else { return nil }
            return positions[found.lowerBound]..<positions[found.upperBound - 1] + 1
        }
    }
}

enum PrefixMatches {
    /// For every place how many scalars from there on are those with which the text begins, in time
    /// that grows with the text alone (the Z function; Gusfield, "Algorithms on Strings, Trees and
    /// Sequences", 1997, section 1.4).
    static func lengths(_ text: [UInt32]) -> [Int] {
        var lengths = [Int](repeating: 0, count: text.count)
        // The match that reaches farthest so far: what is inside it was compared before.
        var farthest = 0..<0
        for start in text.indices.dropFirst() {
            var length = 0
            if start < farthest.upperBound {
                length = min(
                    lengths[start - farthest.lowerBound], farthest.upperBound - start)
            }
            while start + length < text.count, text[length] == text[start + length] { length += 1 }
            lengths[start] = length
            if start + length > farthest.upperBound { farthest = start..<start + length }
        }
        return lengths
    }
}
