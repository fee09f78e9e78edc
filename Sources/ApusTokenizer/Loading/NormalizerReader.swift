/// Reads the `normalizer` of a `tokenizer.json`.
enum NormalizerReader {
    private static let keys = [
        "BertNormalizer": [
            "clean_text", "handle_chinese_chars", "strip_accents", "lowercase",
        ],
        "ByteLevel": [],
        "Lowercase": [],
        "NFC": [], "NFD": [], "NFKC": [], "NFKD": [],
        "Nmt": [],
        "Precompiled": ["precompiled_charsmap"],
        "Prepend": ["prepend"],
        "Replace": ["pattern", "content"],
        "Sequence": ["normalizers"],
        "Strip": ["strip_left", "strip_right"],
        "StripAccents": [],
    ]

    static func stages(_ node: JSONReader?) throws(TokenizerError) -> [any TextStage] {
        guard let node else { return [] }
        let type = try node.type("normalizer", keys: keys)
        switch type {
        case "Sequence":
            var stages: [any TextStage] = []
            for element in try node.required("normalizers").elements() {
                stages += try self.stages(element)
            }
            return stages
        case "BertNormalizer": return try bert(node)
        case "ByteLevel": return [ByteAlphabetStage()]
        case "Lowercase": return [CharacterNormalizer.lowercase]
        case "NFC": return [UnicodeNormalizer(form: .nfc)]
        case "NFD": return [UnicodeNormalizer(form: .nfd)]
        case "NFKC": return [UnicodeNormalizer(form: .nfkc)]
        case "NFKD": return [UnicodeNormalizer(form: .nfkd)]
        case "Nmt": return [CharacterNormalizer.nmt]
        case "Prepend":
            let prefix = try node.string("prepend").unicodeScalars.map(\.value)
            return [PrependNormalizer(prefix: prefix)]
        case "Replace":
            let content = try node.string("content").unicodeScalars.map(\.value)
            let pattern = try PatternReader.pattern(node.required("pattern"))
            return [ReplaceNormalizer(pattern: pattern, content: content)]
        case "Strip":
            let left = try node.bool("strip_left", default: true)
            let right = try node.bool("strip_right", default: true)
            return [StripNormalizer(left: left, right: right)]
        case "StripAccents": return [CharacterNormalizer.stripAccents]
        default: return [try precompiled(node)]
        }
    }

    private static func bert(_ node: JSONReader) throws(TokenizerError) -> [any TextStage] {
        var stages: [any TextStage] = []
        if try node.bool("clean_text", default: true) {
            stages.append(CharacterNormalizer.cleanText)
        }
        if try node.bool("handle_chinese_chars", default: true) {
            stages.append(CharacterNormalizer.spaceIdeographs)
        }
        let lowercases = try node.bool("lowercase", default: true)
        // Where the file does not say, accents go with capitals.
        if try node.bool("strip_accents", default: lowercases) {
            stages.append(UnicodeNormalizer(form: .nfd))
            stages.append(CharacterNormalizer.stripNonspacing)
        }
        if lowercases { stages.append(CharacterNormalizer.lowercase) }
        return stages
    }

    private static func precompiled(_ node: JSONReader) throws(TokenizerError) -> any TextStage {
        let map = try node.required("precompiled_charsmap")
        guard let normalizer = PrecompiledNormalizer(base64: try map.string()) else {
            throw map.fault("this is no table of SentencePiece")
        }
        return normalizer
    }
}
