/// What the records of a source are, and under which names they carry it.
public enum SampleKind: Sendable, Hashable {
    /// Text in a field; every token is trained, and an end-of-text token after it.
    case completion(field: String = "text")
    /// Messages, written by the model's chat template; the words of some roles are trained.
    case chat(ChatFields = ChatFields())
    /// A prompt and its continuation, as texts or as messages; the continuation is trained.
    case promptCompletion(
        prompt: String = "prompt", completion: String = "completion",
        chat: ChatFields = ChatFields())
    /// `instruction`, perhaps `input`, and `output`, in Alpaca's words; the output is trained.
    case alpaca
    /// `segments` of `text` and `label`: those whose label is true are trained. No token is added,
    /// not even at the beginning or the end.
    case segments
    /// `input_ids` and perhaps `labels` (-100 is not trained), made elsewhere and used as they are.
    case tokens
}

extension SampleKind {
    /// All settings in words, the same in every process (sets print in a different order in each).
    var identity: String {
        switch self {
        case .completion(let field): "completion \(field)"
        case .promptCompletion(let prompt, let completion, let chat):
            "prompt \(prompt) \(completion) \(chat.identity)"
        case .alpaca: "alpaca"
        case .segments: "segments"
        case .tokens: "tokens"
        case .chat(let fields): "chat \(fields.identity)"
        }
    }
}

/// Where a record keeps its conversation.
public struct ChatFields: Sendable, Hashable {
    public var messages = "messages"
    public var tools = "tools"
    /// The names of a message's role and content.
    public var role = "role"
    public var content = "content"
    /// What the template calls a role that the file calls otherwise.
    public var roleNames = ["human": "user", "gpt": "assistant"]
    /// Under the template's names.
    public var trainedRoles: Set<String> = ["assistant"]

    public init() {}

    fileprivate var identity: String {
        "\(messages) \(tools) \(role) \(content)"
            + " \(roleNames.sorted { $0.key < $1.key }) \(trainedRoles.sorted())"
    }

    /// The names of ShareGPT's files: `conversations` of `from` and `value`.
    public static var shareGPT: ChatFields {
        var fields = ChatFields()
        fields.messages = "conversations"
        fields.role = "from"
        fields.content = "value"
        return fields
    }
}
