import ApusBase
import ApusTokenizer

/// Renders conversations as a tokenizer does whose special tokens are `<s>` and `</s>`.
struct Renderer {
    private let tokenizer: Tokenizer
    private let templates = TemplateStore()
    /// The moment that `strftime_now` sees, in UTC.
    static let clock = TemplateClock(secondsSince1970: 1_795_442_706, isUniversal: true)

    init() throws {
        let letters: JSONObject = ["<s>": 0, "</s>": 1]
        let file: JSON = [
            "model": ["type": "WordLevel", "vocab": .object(letters), "unk_token": "<s>"]
        ]
        tokenizer = try Tokenizer(
            tokenizerJSON: file.text(),
            configurationJSON: #"{"bos_token": "<s>", "eos_token": "</s>"}"#)
    }

    func answer(_ request: JSON) -> JSON {
        do {
            let template = try templates.template(request["template"]?.stringValue ?? "")
            let messages = (request["messages"]?.arrayValue ?? []).compactMap {
                $0.objectValue.flatMap { ChatMessage($0) }
            }
            let rendered = try render(template, messages, Self.options(request))
            let spans = rendered.trainedSpans.map { span -> JSON in
                [.integer(span.lowerBound), .integer(span.upperBound)]
            }
            return ["text": .string(rendered.text), "generated": .array(spans)]
        } catch {
            return ["error": .string("\(error)")]
        }
    }

    func render(
        _ template: ChatTemplate, _ messages: [ChatMessage], _ options: ChatOptions
    ) throws(TemplateError) -> RenderedChat {
        try tokenizer.applyChatTemplate(template, messages, options: options)
    }

    private static func options(_ request: JSON) -> ChatOptions {
        var options = ChatOptions(addGenerationPrompt: request["prompt"]?.boolValue ?? false)
        options.tools = request["tools"]?.arrayValue
        options.documents = request["documents"]?.arrayValue
        options.variables = request["variables"]?.objectValue ?? JSONObject()
        options.clock = clock
        return options
    }
}

/// Templates by their source, parsed once.
private final class TemplateStore {
    private var parsed: [String: ChatTemplate] = [:]

    func template(_ source: String) throws -> ChatTemplate {
        if let known = parsed[source] { return known }
        let template = try ChatTemplate(source)
        parsed[source] = template
        return template
    }
}
