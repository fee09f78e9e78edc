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
            var surrounding = 0
            for element in try node.required("processors").elements() {
                if try element.string("type") != "ByteLevel" { surrounding += 1 }
                guard surrounding < 2 else {
                    throw element.fault("a second post-processor that adds tokens")
                }
                try append(element, to: &processor)
            }
        case "ByteLevel":
            try readTrim(node, into: &processor)
        case "BertProcessing":
            let (first, last) = try (tokenID(node, "cls"), tokenID(node, "sep"))
            processor.template.single = [
                .tokens([first], typeID: 0), .text(0, typeID: 0), .tokens([last], typeID: 0),
            ]
            processor.template.pair =
                processor.template.single + [.text(1, typeID: 1), .tokens([last], typeID: 1)]
        case "RobertaProcessing":
            try readTrim(node, into: &processor)
            let (first, last) = try (tokenID(node, "cls"), tokenID(node, "sep"))
            processor.template.single = [
                .tokens([first], typeID: 0), .text(0, typeID: 0), .tokens([last], typeID: 0),
            ]
            processor.template.pair = processor.template.single + [
                .tokens([last], typeID: 0), .text(1, typeID: 0), .tokens([last], typeID: 0),
            ]
        default:
            processor.template.single = try template(node, "single", textCount: 1)
            if node.member("pair") != nil {
                processor.template.pair = try template(node, "pair", textCount: 2)
            }
        }
    }

    private static func readTrim(
        _ node: JSONReader, into processor: inout PostProcessor
    ) throws(TokenizerError) {
        guard try node.bool("trim_offsets", default: true) else { return }
        let keepsPrefixSpace = try node.bool("add_prefix_space", default: true)
        processor.trim = .init(keepsPrefixSpace: keepsPrefixSpace)
    }

    /// The id in `["[SEP]", 102]`.
    private static func tokenID(_ node: JSONReader, _ key: String) throws(TokenizerError) -> Int32 {
        let pair = try node.required(key)
        let parts = try pair.elements()
        guard parts.count == 2 else { throw pair.fault("a token and its id should stand here") }
        return try parts[1].tokenID()
    }

    private static func template(
        _ node: JSONReader, _ key: String, textCount: Int
    ) throws(TokenizerError) -> [PostProcessor.Item] {
        var items: [PostProcessor.Item] = []
        for element in try node.required(key).elements() {
            try element.expectKeys(["SpecialToken", "Sequence"])
            if let special = element.member("SpecialToken") {
                let ids = try specialIDs(special, in: node)
                items.append(.tokens(ids, typeID: try typeID(special)))
                continue
            }
            let text = try element.required("Sequence")
            guard let index = ["A", "B"].firstIndex(of: try text.string("id")), index < textCount
            else {
                throw text.fault(
                    textCount == 1
                        ? "a template for one text can only name the sequence A"
                        : "a template for two texts can only name the sequences A and B")
            }
            items.append(.text(index, typeID: try typeID(text)))
        }
        return items
    }

    private static func specialIDs(
        _ special: JSONReader, in node: JSONReader
    ) throws(TokenizerError) -> [Int32] {
        let name = try special.string("id")
        guard let entry = node.member("special_tokens")?.member(name) else {
            throw special.fault("the token \"\(name)\" is not among special_tokens")
        }
        var ids: [Int32] = []
        for id in try entry.required("ids").elements() { ids.append(try id.tokenID()) }
        return ids
    }

    private static func typeID(_ node: JSONReader) throws(TokenizerError) -> Int32 {
        try node.member("type_id")?.tokenID() ?? 0
    }
}
