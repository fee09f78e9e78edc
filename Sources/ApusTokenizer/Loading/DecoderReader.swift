/// Reads the `decoder` of a `tokenizer.json`.
enum DecoderReader {
    private static let keys = [
        "BPEDecoder": ["suffix"],
        "ByteFallback": [],
        "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"],
        "CTC": ["pad_token", "word_delimiter_token", "cleanup"],
        "Fuse": [],
        "Metaspace": ["replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"],
        "Replace": ["pattern", "content"],
        "Sequence": ["decoders"],
        "Strip": ["content", "start", "stop"],
        "WordPiece": ["prefix", "cleanup"],
    ]

    static func decoder(_ node: JSONReader?) throws(TokenizerError) -> TokenDecoder {
        guard let node else { return .spaced }
        let stages = try stages(node)
        if stages.count == 1, case .byteLevel = stages[0] { return .byteLevel }
        return .stages(stages)
    }

    private static func stages(_ node: JSONReader) throws(TokenizerError) -> [DecoderStage] {
        let type = try node.type("decoder", keys: keys)
        switch type {
        case "Sequence":
            var result: [DecoderStage] = []
            for element in try node.required("decoders").elements() {
                result += try stages(element)
            }
            return result
        case "BPEDecoder": return [.wordSuffix(Array(try node.string("suffix").utf8))]
        case "ByteFallback": return [.byteFallback]
        case "ByteLevel": return [.byteLevel]
        case "CTC":
            return [
                .ctc(
                    padding: Array(try node.string("pad_token").utf8),
                    delimiter: Array(try node.string("word_delimiter_token").utf8),
                    cleansUp: try node.bool("cleanup", default: true))
            ]
        case "Fuse": return [.fuse]
        case "Metaspace": return [try metaspace(node)]
        case "Replace":
            let pattern = try PatternReader.pattern(node.required("pattern"))
            return [.replace(pattern, Array(try node.string("content").utf8))]
        case "Strip":
            let scalar = try PatternReader.scalar(node.required("content"))
            let start = max(try node.required("start").integer(), 0)
            let stop = max(try node.required("stop").integer(), 0)
            return [.strip(scalar, start: start, stop: stop)]
        default:
            let prefix = Array(try node.string("prefix").utf8)
            return [.wordPiece(prefix: prefix, cleansUp: try node.bool("cleanup", default: true))]
        }
    }

    private static func metaspace(_ node: JSONReader) throws(TokenizerError) -> DecoderStage {
        let replacement = try PatternReader.scalar(node.required("replacement"))
        let scheme = try node.member("prepend_scheme")?.string()
        let addsSpace = try node.bool("add_prefix_space", default: true)
        let dropsFirst = scheme.map { $0 != "never" } ?? addsSpace
        return .metaspace(replacement: replacement, dropsFirst: dropsFirst)
    }
}
