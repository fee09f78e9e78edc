/// Reads the `post_processor` of a `tokenizer.json`.
enum PostProcessorReader {
    private static let keys = [
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
            if try node.bool("trim_offsets", default: true) {
                let keepsPrefixSpace = try node.bool("add_prefix_space", default: true)
                processor.trim = .init(keepsPrefixSpace: keepsPrefixSpace)
            }
        default:
            processor.templates.append(try template(node))
        }
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
