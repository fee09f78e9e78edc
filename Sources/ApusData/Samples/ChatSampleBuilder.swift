internal import ApusBase
internal import ApusTokenizer

/// Makes the token sequence of a conversation, in which the words of some roles are trained.
struct ChatSampleBuilder {
    private let fields: ChatFields
    private let encoder: any TextEncoder
    private let renderer: (any ChatRenderer)?

    init(_ fields: ChatFields, _ encoder: any TextEncoder, _ renderer: (any ChatRenderer)?) {
        self.fields = fields
        self.encoder = encoder
        self.renderer = renderer
    }

    func sample(_ row: JSONObject) throws -> TokenizedSample {
        guard let renderer else {
            throw SampleBuilder.Fault(
                problem: "the tokenizer has no chat template",
                remedy: "give one with chat_template_jinja, or train on plain text (completion)")
        }
        let messages = try self.messages(row)
        let tools = row[fields.tools].flatMap { $0.isNull ? nil : $0 }
        let chat = try renderer.render(messages.map { .object($0) }, tools: tools)
        precondition(
            chat.spans.count == messages.count, "ChatRenderer.render: one span for each message")
        var trained: [Range<Int>] = []
        for (message, span) in zip(messages, chat.spans) {
            guard let role = message["role"]?.stringValue, let span else { continue }
            if fields.trainedRoles.contains(role) { trained.append(span) }
        }
        return masked(encoder.encodeWithOffsets(chat.text, addSpecialTokens: false), trained)
    }

    /// A token is trained when it begins inside a trained span: spans begin after the mark that
    /// opens the turn, and the model never produces that one itself.
    private func masked(_ text: Encoding, _ spans: [Range<Int>]) -> TokenizedSample {
        var labels = [Int32](repeating: TokenizedSample.ignoredLabel, count: text.ids.count)
        var next = 0
        for (position, range) in text.offsets.enumerated() {
            while next < spans.count, spans[next].upperBound <= range.lowerBound { next += 1 }
            guard next < spans.count else { break }
            if spans[next].contains(range.lowerBound) { labels[position] = text.ids[position] }
        }
        return TokenizedSample(inputIDs: text.ids, labels: labels)
    }

    /// The messages with the template's names for role and content; other members stay as they are.
    private func messages(_ row: JSONObject) throws(SampleBuilder.Fault) -> [JSONObject] {
        guard let value = row[fields.messages] else { throw missing(fields.messages, in: row) }
        guard let elements = value.arrayValue, !elements.isEmpty else {
            throw .init(problem: "\"\(fields.messages)\" is no array of messages")
        }
        var messages: [JSONObject] = []
        for (index, element) in elements.enumerated() {
            guard let object = element.objectValue else {
                throw .init(problem: "message \(index + 1) is \(element.kind), not an object")
            }
            messages.append(try message(object, number: index + 1))
        }
        return messages
    }

    private func message(
        _ object: JSONObject, number: Int
    ) throws(SampleBuilder.Fault) -> JSONObject {
        guard let role = object[fields.role]?.stringValue else {
            throw .init(problem: "message \(number) has no role under \"\(fields.role)\"")
        }
        var message = JSONObject()
        message["role"] = .string(fields.roleNames[role] ?? role)
        // A turn that only calls tools has no content.
        guard object[fields.content] != nil || object["tool_calls"] != nil else {
            throw .init(problem: "message \(number) has no content under \"\(fields.content)\"")
        }
        if let content = object[fields.content] { message["content"] = content }
        for (key, value) in object.members where key != fields.role && key != fields.content {
            message[key] = value
        }
        return message
    }
}
