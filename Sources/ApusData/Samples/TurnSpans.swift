public import ApusBase

/// Finds each message's words in a rendered conversation by rendering its beginnings.
///
/// For templates that are functions of the messages only: the text before an answer is what the
/// template writes to ask for one. Where a template writes a beginning differently once more
/// messages follow (some leave out earlier thoughts), the message is found by its content.
public struct TurnSpans: Sendable {
    /// Renders messages; the flag asks for the words that open an answer.
    public typealias Render = @Sendable ([JSON], Bool) throws -> String

    private let render: Render
    /// The texts of the tokens that end turns: a span reaches over the first of them.
    private let endMarks: [String]

    public init(endMarks: [String], render: @escaping Render) {
        self.render = render
        self.endMarks = endMarks.filter { !$0.isEmpty }
    }

    /// The whole text and the span of every message whose role is among `roles`.
    public func rendered(_ messages: [JSON], roles: Set<String>) throws -> RenderedChat {
        let text = Array(try render(messages, false).utf8)
        var spans: [Range<Int>?] = []
        var position = 0
        for (index, message) in messages.enumerated() {
            guard let role = message["role"]?.stringValue, roles.contains(role) else {
                spans.append(nil)
                continue
            }
            let span = try span(of: index, messages, text, from: position)
            if let span { position = span.upperBound }
            spans.append(span)
        }
        return RenderedChat(text: String(decoding: text, as: UTF8.self), spans: spans)
    }

    private func span(
        of index: Int, _ messages: [JSON], _ text: [UInt8], from position: Int
    ) throws -> Range<Int>? {
        let opened = try? Array(render(Array(messages[..<index]), true).utf8)
        let closed = try? Array(render(Array(messages[...index]), false).utf8)
        if let opened, let closed, text.starts(with: closed), closed.starts(with: opened) {
            return opened.count..<end(of: text, from: opened.count, limit: closed.count)
        }
        guard let content = messages[index]["content"]?.stringValue else { return nil }
        let words = Array(Self.trimmed(content).utf8)
        guard !words.isEmpty, let start = Self.find(words, in: text, from: position) else {
            return nil
        }
        return start..<end(of: text, from: start + words.count, limit: text.count)
    }

    /// The end of the first end mark at or after `start`; without one, where the turn's text ends.
    private func end(of text: [UInt8], from start: Int, limit: Int) -> Int {
        var first: (start: Int, end: Int)?
        for mark in endMarks {
            let bytes = Array(mark.utf8)
            guard let found = Self.find(bytes, in: text, from: start), found < limit else {
                continue
            }
            if found < first?.start ?? .max { first = (found, found + bytes.count) }
        }
        return min(first?.end ?? limit, limit)
    }

    private static func trimmed(_ text: String) -> Substring {
        let isSpace = { (character: Character) in character.isWhitespace }
        let start = text.drop(while: isSpace)
        guard let last = start.lastIndex(where: { !isSpace($0) }) else { return "" }
        return start[...last]
    }

    private static func find(_ needle: [UInt8], in text: [UInt8], from start: Int) -> Int? {
        guard needle.count <= text.count - start, let first = needle.first else { return nil }
        for position in start...(text.count - needle.count) where text[position] == first {
            if text[position...].starts(with: needle) { return position }
        }
        return nil
    }
}
