internal import ApusBase
internal import Synchronization

/// Parsed chat templates by their source: parsing once serves every conversation of a data set.
final class ChatTemplateCache: Sendable {
    private let parsed = Mutex<[String: ChatTemplate]>([:])

    func template(_ source: String) throws(TemplateError) -> ChatTemplate {
        if let known = parsed.withLock({ $0[source] }) { return known }
        let template = try ChatTemplate(source)
        parsed.withLock { $0[source] = template }
        return template
    }
}

extension Tokenizer {
    /// Renders a conversation with the model's chat template; the same bytes as
    /// `transformers.apply_chat_template` gives.
    ///
    /// Throws ``TokenizerError`` when there is no template of that name, ``TemplateError`` when it
    /// refuses the messages.
    public func applyChatTemplate(
        _ messages: [ChatMessage], options: ChatOptions = ChatOptions()
    ) throws -> RenderedChat {
        guard let source = configuration.chatTemplates[options.template] else {
            let names = configuration.chatTemplates.keys.sorted().joined(separator: ", ")
            throw TokenizerError(
                file: "tokenizer", "there is no chat template named \"\(options.template)\"",
                likelyCause: names.isEmpty ? "the model was not made for conversations" : nil,
                remedy: names.isEmpty
                    ? "take an instruction-tuned model, or set a chat template"
                    : "its templates: " + names)
        }
        return try applyChatTemplate(try templates.template(source), messages, options: options)
    }

    /// Renders a conversation with a template of the caller's.
    public func applyChatTemplate(
        _ template: ChatTemplate, _ messages: [ChatMessage], options: ChatOptions = ChatOptions()
    ) throws(TemplateError) -> RenderedChat {
        let tokens = configuration.specialTokens
        let text = try template.render(messages, options, specialTokens: tokens)
        var prompted: TemplateText?
        if messages.contains(where: { $0.role == "assistant" }), !options.addGenerationPrompt {
            var promptOptions = options
            promptOptions.addGenerationPrompt = true
            // Templates that refuse to ask for a second answer still have the first one's spans.
            prompted = try? template.render(messages, promptOptions, specialTokens: tokens)
        }
        let spans = TrainedSpans(
            rendered: text, prompted: prompted, specialTokens: specialTokenMatcher
        ) {
            guard let message = messages.firstIndex(where: \.hasMoreThanContent) else { return nil }
            let plain =
                messages[..<message] + [ChatMessage(role: "assistant", content: "content")]
            let text = try? template.render(Array(plain), options, specialTokens: tokens)
            return text.map { ($0, message) }
        }
        let bytes = ByteOffsets(text)
        return RenderedChat(
            text: text.string,
            messageSpans: messages.indices.map { spans.contentSpans(of: $0).map(bytes.range) },
            trainedSpans: spans.spans(of: messages).map(bytes.range))
    }

    /// Renders and encodes a conversation; the loss falls on what the assistant says, with the
    /// token that ends each of its turns and without headers.
    public func encodeChat(
        _ messages: [ChatMessage], options: ChatOptions = ChatOptions()
    ) throws -> ChatEncoding {
        encode(try applyChatTemplate(messages, options: options))
    }

    /// The ids of a rendered conversation, and which of them are trained: those that overlap a
    /// trained span.
    public func encode(_ rendered: RenderedChat) -> ChatEncoding {
        let encoding = encodeWithOffsets(rendered.text, addSpecialTokens: false)
        var spans = rendered.trainedSpans[...]
        let isTrained = encoding.offsets.map { offset in
            while let first = spans.first, first.upperBound <= offset.lowerBound {
                spans.removeFirst()
            }
            return spans.first.map { $0.overlaps(offset) } ?? false
        }
        return ChatEncoding(ids: encoding.ids, isTrained: isTrained, rendered: rendered)
    }

    private var specialTokenMatcher: AddedTokenMatcher {
        var matcher = AddedTokenMatcher()
        var contents = Set(addedTokens.filter(\.special).map { ByteKey($0.content) })
        if let end = configuration.endOfText { contents.insert(ByteKey(end)) }
        for content in contents {
            let token = AddedToken(id: 0, content: content.string)
            matcher.add(token, pattern: Array(content.string.utf8))
        }
        return matcher
    }
}

/// Where each character of a text begins, in UTF-8 bytes.
private struct ByteOffsets {
    private let starts: [Int]

    init(_ text: TemplateText) {
        var starts = [0]
        starts.reserveCapacity(text.count + 1)
        for glyph in text.glyphs {
            let length =
                glyph.scalar < 0x80 ? 1 : glyph.scalar < 0x800 ? 2 : glyph.scalar < 0x10000 ? 3 : 4
            starts.append(starts[starts.count - 1] + length)
        }
        self.starts = starts
    }

    func range(_ characters: Range<Int>) -> Range<Int> {
        starts[characters.lowerBound]..<starts[characters.upperBound]
    }
}
