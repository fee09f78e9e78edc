public import ApusBase
public import ApusTokenizer

/// The chat template of a tokenizer, or another one, as data sets use it.
public struct TokenizerChat: ChatRenderer {
    private let tokenizer: Tokenizer
    private let template: ChatTemplate?

    /// The model's own template; nil when it has none.
    public init?(_ tokenizer: Tokenizer) {
        guard tokenizer.configuration.chatTemplate != nil else { return nil }
        self.tokenizer = tokenizer
        template = nil
    }

    public init(_ tokenizer: Tokenizer, template: ChatTemplate) {
        self.tokenizer = tokenizer
        self.template = template
    }

    public func render(
        _ messages: [JSONObject], tools: JSON?, trainedRoles: Set<String>
    ) throws -> TrainedText {
        var options = ChatOptions()
        options.tools = try tools.flatMap { try list($0) }
        let chat = messages.map { fields in
            guard let message = ChatMessage(fields) else {
                preconditionFailure("TokenizerChat.render: a message without a role")
            }
            return message
        }
        let rendered =
            try template.map {
                try tokenizer.applyChatTemplate($0, chat, options: options)
            } ?? tokenizer.applyChatTemplate(chat, options: options)
        var trained = trainedRoles.contains("assistant") ? rendered.trainedSpans : []
        // Of other roles only the words themselves: nobody asks the model to end their turns.
        for (message, spans) in zip(chat, rendered.messageSpans)
        where message.role != "assistant" && trainedRoles.contains(message.role) {
            trained += spans
        }
        trained.sort { $0.lowerBound < $1.lowerBound }
        return TrainedText(text: rendered.text, trained: trained)
    }

    /// Some data sets keep the tools as JSON in a string.
    private func list(_ tools: JSON) throws(JSONSyntaxError) -> [JSON]? {
        guard let text = tools.stringValue else { return tools.arrayValue }
        return text.isEmpty ? nil : try JSON.parse(text).arrayValue
    }
}
