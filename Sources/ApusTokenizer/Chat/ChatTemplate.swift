internal import ApusBase

/// A parsed chat template: Jinja as `transformers` sets it up (`trim_blocks`, `lstrip_blocks`, an
/// immutable sandbox, loop controls, `{% generation %}`), interpreted within limits.
public struct ChatTemplate: Sendable {
    public let source: String
    private let statements: [Statement]

    /// Throws ``TemplateError`` when the text is no template or uses a tag that is not supported.
    public init(_ source: String) throws(TemplateError) {
        self.source = source
        statements = try TemplateParser.parse(source)
    }

    /// Renders a conversation.
    ///
    /// - Parameter specialTokens: texts by name (`bos_token`), which the template sees as
    ///   variables.
    func render(
        _ messages: [ChatMessage], _ options: ChatOptions, specialTokens: [String: String]
    ) throws(TemplateError) -> TemplateText {
        var variables: [String: TemplateValue] = [:]
        for (name, text) in specialTokens { variables[name] = .text(text) }
        for (name, value) in options.variables.members { variables[name] = TemplateValue(value) }
        variables["tools"] =
            options.tools.map { .items($0.map { TemplateValue($0) }) } ?? TemplateValue.none
        variables["documents"] =
            options.documents.map { .items($0.map { TemplateValue($0) }) } ?? TemplateValue.none
        variables["add_generation_prompt"] = .bool(options.addGenerationPrompt)
        variables["messages"] = .items(
            messages.enumerated().map { Self.value(of: $0.element, index: $0.offset) })
        let characters = messages.reduce(0) { $0 + Self.size(of: .object($1.fields)) }
        let budget = TemplateBudget(options.limits, inputCharacters: characters)
        return try TemplateInterpreter.render(
            statements, variables: variables, budget: budget, clock: options.clock)
    }

    private static func value(of message: ChatMessage, index: Int) -> TemplateValue {
        var dict = TemplateDict()
        for (key, value) in withReasoning(message.fields).members {
            let origin: TextOrigin = key == "role" ? .role(index) : .message(index)
            dict.set(TemplateValue(value, origin: origin), for: .text(key))
        }
        dict.messageIndex = index
        return .dict(dict)
    }

    /// Reasoning goes by several names, and each template reads one of them: it is passed under all
    /// that `transformers` passes it under.
    private static func withReasoning(_ fields: JSONObject) -> JSONObject {
        let names = ["reasoning_content", "thinking", "reasoning"]
        guard let reasoning = names.lazy.compactMap({ fields[$0] }).first(where: { !$0.isNull })
        else {
            return fields
        }
        var result = JSONObject()
        result["thinking"] = reasoning
        for (key, value) in fields.members { result[key] = value }
        result["reasoning_content"] = reasoning
        return result
    }

    private static func size(of json: JSON) -> Int {
        switch json {
        case .string(let text): text.utf8.count
        case .array(let elements): elements.reduce(1) { $0 + size(of: $1) }
        case .object(let object):
            object.members.reduce(1) { $0 + $1.key.utf8.count + size(of: $1.value) }
        default: 1
        }
    }
}
