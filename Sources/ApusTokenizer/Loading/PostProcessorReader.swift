/// Reads the `post_processor` of a `tokenizer.json`.
enum PostProcessorReader {
    private static let keys = [
        "BertProcessing": ["sep", "cls"],
        "RobertaProcessing": ["sep", "cls", "trim_offsets", "add_prefix_space"],
        "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"],
        "TemplateProcessing": ["single", "pair", "special_tokens"],
        "Sequence": ["processors"],
    ]

    static func processor(_ node: JSONReader?) throws(TokenizerError) -> PostProcessor {
        var processor = PostProcessor()
        if let node { try append(node, to: &processor) }
        return processor
    }

    private static func append(
        _ node: JSONReader, to processor: inout PostProcessor
    ) throws(TokenizerError) {
        switch try node.type("post-processor", keys: keys) {
        case "Sequence":
            for element in try node.required("processors").elements() {
                try append(element, to: &processor)
            }
        case "ByteLevel":
            try readTrim(node, into: &processor)
        case "BertProcessing":
            processor.templates.append(try classifierTemplate(node))
        case "RobertaProcessing":
            try readTrim(node, into: &processor)
            processor.templates.append(try classifierTemplate(node))
        default:
            processor.templates.append(try template(node))
        }
    }

    private static func readTrim(
        _ node: JSONReader, into processor: inout PostProcessor
    ) throws(TokenizerError) {
        guard try node.bool("trim_offsets", default: true) else { return }
        let keepsPrefixSpace = try node.bool("add_prefix_space", default: true)
        processor.trim = .init(keepsPrefixSpace: keepsPrefixSpace)
    }

    /// `[CLS] text [SEP]`
    private static func classifierTemplate(
        _ node: JSONReader
    ) throws(TokenizerError) -> [PostProcessor.Item] {
        [.tokens([try tokenID(node, "cls")]), .text, .tokens([try tokenID(node, "sep")])]
    }

    /// The id in `["[SEP]", 102]`.
    private static func tokenID(_ node: JSONReader, _ key: String) throws(TokenizerError) -> Int32 {
        let pair = try node.required(key)
        let parts = try pair.elements()
        guard parts.count == 2 else { throw pair.fault("a token and its id should stand here") }
        return try parts[1].tokenID()
    }

    private static func template(_ node: JSONReader) throws(TokenizerError) -> [PostProcessor.Item]
    {
        var items: [PostProcessor.Item] = []
        for element in try node.required("single").elements() {
            try element.expectKeys(["SpecialToken", "Sequence"])
            if let special = element.member("SpecialToken") {
                let name = try special.string("id")
                guard let entry = node.member("special_tokens")?.member(name) else {
                    throw special.fault("the token \"\(name)\" is not among special_tokens")
                }
                var ids: [Int32] = []
                for id in try entry.required("ids").elements() { ids.append(try id.tokenID()) }
                items.append(.tokens(ids))
            } else {
                guard try element.required("Sequence").string("id") == "A" else {
                    throw element.fault("a template for one text can only name the sequence A")
                }
                items.append(.text)
            }
        }
        return items
    }
}
