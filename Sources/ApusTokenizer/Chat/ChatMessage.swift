public import ApusBase

/// One message of a conversation: a JSON object with at least a `role`, usually also `content`.
public struct ChatMessage: Sendable, Hashable {
    /// All members, as a chat template sees them: `role`, `content`, `tool_calls`, ...
    public let fields: JSONObject

    public init(role: String, content: String) {
        fields = ["role": .string(role), "content": .string(content)]
    }

    /// Returns nil when there is no `role`, or it is no string.
    public init?(_ fields: JSONObject) {
        guard fields["role"]?.stringValue != nil else { return nil }
        self.fields = fields
    }

    public var role: String { fields["role"]?.stringValue ?? "" }

    /// Whether an assistant says something beside its content: calls of tools, reasoning.
    var hasMoreThanContent: Bool {
        role == "assistant"
            && fields.members.contains { !["role", "content"].contains($0.key) && !$0.value.isNull }
    }

    /// The content when it is plain text.
    public var content: String? { fields["content"]?.stringValue }
}

/// What a chat template is given besides the messages.
public struct ChatOptions: Sendable {
    /// Ends the text with the header of the answer that the model shall give.
    public var addGenerationPrompt = false
    /// Descriptions of tools as JSON Schema objects; nil gives the template none.
    public var tools: [JSON]?
    public var documents: [JSON]?
    /// The template's name, where the tokenizer has several.
    public var template = "default"
    /// Further variables, such as `enable_thinking`.
    public var variables = JSONObject()
    public var limits = TemplateLimits()
    public var clock = TemplateClock()

    public init() {}

    public init(addGenerationPrompt: Bool) { self.addGenerationPrompt = addGenerationPrompt }
}

/// A conversation as the text that the model reads.
public struct RenderedChat: Sendable, Hashable {
    public let text: String
    /// Where each message's own text stands (ranges of UTF-8 bytes, in order): its content and
    /// other values, without the role's name and what the template writes around them.
    public let messageSpans: [[Range<Int>]]
    /// What the model is trained to write: the assistant's messages up to and with the token that
    /// ends them, without their headers. Ranges of UTF-8 bytes, in order.
    public let trainedSpans: [Range<Int>]
}

/// A conversation as token ids.
public struct ChatEncoding: Sendable, Hashable {
    public let ids: [Int32]
    /// Whether the loss falls on the token.
    public let isTrained: [Bool]
    public let rendered: RenderedChat
}
