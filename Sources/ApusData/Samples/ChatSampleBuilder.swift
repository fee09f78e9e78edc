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
        _ = try neededRenderer
        guard let value = row[fields.messages] else { throw missing(fields.messages, in: row) }
        guard let elements = value.arrayValue, !elements.isEmpty else {
            throw SampleBuilder.Fault(problem: "\"\(fields.messages)\" is no array of messages")
        }
        return try sample(row, prompt: [], answer: elements)
    }

    private var neededRenderer: any ChatRenderer {
        get throws(SampleBuilder.Fault) {
            if let renderer { return renderer }
            throw SampleBuilder.Fault(
                problem: "the tokenizer has no chat template",
                remedy: "give one with chat_template_jinja, or train on plain text (completion)")
        }
    }

    /// Only words of the answer are trained, also where the prompt holds earlier answers.
    func sample(
        _ row: JSONObject, prompt: [JSON], answer: [JSON]
    ) throws -> TokenizedSample {
        let renderer = try neededRenderer
        let given = try messages(prompt)
        let tools = row[fields.tools].flatMap { $0.isNull ? nil : $0 }
        if let tools, tools.arrayValue == nil, tools.stringValue == nil {
            throw SampleBuilder.Fault(
                problem: "\"\(fields.tools)\" is \(tools.kind), not a list",
                remedy: "give a list of tools, or the same as JSON in a string")
        }
        let roles = fields.trainedRoles
        let chat = try renderer.render(
            given + messages(answer), tools: tools, trainedRoles: roles)
        var trained = chat.trained
        let hasAnswers = given.contains { roles.contains($0["role"]?.stringValue ?? "") }
        if hasAnswers {
            let before = try renderer.render(given, tools: tools, trainedRoles: roles)
            trained.removeFirst(min(before.trained.count, trained.count))
        }
        return masked(encoder.encodeWithOffsets(chat.text, addSpecialTokens: false), trained)
    }

    /// A token that overlaps a trained part is trained.
    private func masked(_ text: Encoding, _ trained: [Range<Int>]) -> TokenizedSample {
        var labels = [Int32](repeating: TokenizedSample.ignoredLabel, count: text.ids.count)
        var next = 0
        for (position, range) in text.offsets.enumerated() {
            while next < trained.count, trained[next].upperBound <= range.lowerBound { next += 1 }
            guard next < trained.count else { break }
            if trained[next].overlaps(range) { labels[position] = text.ids[position] }
        }
        return TokenizedSample(inputIDs: text.ids, labels: labels)
    }

    /// The messages with the template's names for role and content; other members stay as they are.
    private func messages(_ elements: [JSON]) throws(SampleBuilder.Fault) -> [JSONObject] {
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
