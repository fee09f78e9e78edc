internal import ApusBase

/// Reads the `model` of a `tokenizer.json`.
enum ModelReader {
    struct Result {
        var model: any TokenModel
        var spelling: TokenSpelling
        /// Cuts text into parts that are short enough to be remembered, changing no token.
        var splitters: [any TextStage] = []
    }

    private static let keys = [
        "BPE": [
            "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
            "byte_fallback", "ignore_merges", "vocab", "merges",
        ],
        "Unigram": ["unk_id", "vocab", "byte_fallback"],
        "WordLevel": ["vocab", "unk_token"],
        "WordPiece": [
            "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab",
        ],
    ]

    static func model(_ node: JSONReader, isByteLevel: Bool) throws(TokenizerError) -> Result {
        let type = try type(of: node)
        guard let allowed = keys[type] else {
            throw node.fault(
                "a model of type \"\(type)\" is not supported",
                remedy: "supported: " + keys.keys.sorted().joined(separator: ", "))
        }
        try node.expectKeys(["type"] + allowed)
        switch type {
        case "BPE": return try bytePairModel(node, isByteLevel: isByteLevel)
        case "Unigram": return try unigramModel(node)
        default: return try wordModel(node, splitsWords: type == "WordPiece")
        }
    }

    /// Old files leave the type out; what else is there tells.
    private static func type(of node: JSONReader) throws(TokenizerError) -> String {
        if let type = node.member("type") { return try type.string() }
        if node.member("merges") != nil { return "BPE" }
        if node.member("vocab")?.value.arrayValue != nil { return "Unigram" }
        return node.member("max_input_chars_per_word") == nil ? "WordLevel" : "WordPiece"
    }

    /// Whether the model's tokens can be kept as the bytes they stand for: byte pairs without marks
    /// on words.
    static func canWorkOnBytes(_ node: JSONReader) throws(TokenizerError) -> Bool {
        guard try type(of: node) == "BPE" else { return false }
        let prefix = try node.member("continuing_subword_prefix")?.string() ?? ""
        let suffix = try node.member("end_of_word_suffix")?.string() ?? ""
        return prefix.isEmpty && suffix.isEmpty
    }

    private static func wordModel(
        _ node: JSONReader, splitsWords: Bool
    ) throws(TokenizerError) -> Result {
        var tokens: [[UInt8]?] = []
        for (token, id) in try vocabulary(node.required("vocab")) {
            while tokens.count <= Int(id) { tokens.append(nil) }
            tokens[Int(id)] = Array(token.utf8)
        }
        let vocabulary = Vocabulary(tokens)
        var unknownID: Int32?
        if let unknown = node.member("unk_token") {
            unknownID = vocabulary.id(of: Array(try unknown.string().utf8))
            if unknownID == nil { throw unknown.fault("the token is not in the vocabulary") }
        }
        var model = WordPieceModel(vocabulary: vocabulary, unknownID: unknownID)
        model.splitsWords = splitsWords
        if splitsWords {
            let prefix = try node.member("continuing_subword_prefix")?.string() ?? "##"
            model.continuingPrefix = Array(prefix.utf8)
            model.characterLimit = try node.member("max_input_chars_per_word")?.integer() ?? 100
        }
        return Result(model: model, spelling: .plain)
    }

    private static func unigramModel(_ node: JSONReader) throws(TokenizerError) -> Result {
        let list = try node.required("vocab")
        var tokens: [[UInt8]?] = []
        var scores: [Double] = []
        for element in try list.elements() {
            let parts = try element.elements()
            guard parts.count == 2 else {
                throw element.fault("a piece and its score should be here")
            }
            tokens.append(Array(try parts[0].string().utf8))
            scores.append(try parts[1].double())
        }
        var unknownID: Int32?
        if let unknown = node.member("unk_id") {
            let id = try unknown.tokenID()
            guard Int(id) < tokens.count else { throw unknown.fault("\(id) is no piece") }
            unknownID = id
        }
        let vocabulary = Vocabulary(tokens)
        var fallback: [Int32?]?
        if try node.bool("byte_fallback", default: false) {
            fallback = (0..<256).map {
                vocabulary.id(of: Array(BPEBuilder.fallbackToken(UInt8($0)).utf8))
            }
        }
        let model = UnigramModel(
            vocabulary: vocabulary, scores: scores, unknownID: unknownID, fallback: fallback)
        return Result(model: model, spelling: .plain)
    }

    private static func bytePairModel(
        _ node: JSONReader, isByteLevel: Bool
    ) throws(TokenizerError) -> Result {
        if let dropout = node.member("dropout"), try dropout.double() != 0 {
            throw dropout.fault("random merging is not supported", remedy: "set it to null")
        }
        let entries = try vocabulary(node.required("vocab"))
        var builder = BPEBuilder(isByteLevel: isByteLevel)
        for (token, id) in entries { builder.add(token, id: id) }
        builder.continuingPrefix = try node.member("continuing_subword_prefix")?.string() ?? ""
        builder.endSuffix = try node.member("end_of_word_suffix")?.string() ?? ""
        builder.hasByteFallback = try node.bool("byte_fallback", default: false)
        builder.fusesUnknown = try node.bool("fuse_unk", default: false)
        builder.takesWholePieces = try node.bool("ignore_merges", default: false)
        // GPT-2's file writes an empty token for none.
        if let unknown = node.member("unk_token"), try !unknown.string().isEmpty {
            builder.unknown = try unknown.string()
            guard builder.contains(try unknown.string()) else {
                throw unknown.fault("the token is not in the vocabulary")
            }
        }
        let merges = try node.required("merges")
        let count = try merges.elements().count
        guard count < MergeTable.countLimit else {
            throw merges.fault("\(count) merges are more than the \(MergeTable.countLimit - 1) "
                + "that can be told apart")
        }
        for element in try merges.elements() {
            let (left, right) = try mergePair(element)
            if let missing = builder.addMerge(left, right) {
                throw element.fault("the token \"\(missing)\" is not in the vocabulary")
            }
        }
        var result = Result(model: builder.model(), spelling: builder.spelling)
        if let scanner = builder.borderScanner {
            result.splitters = [ScannerStage(scanner: scanner)]
        }
        return result
    }

    static func vocabulary(_ node: JSONReader) throws(TokenizerError) -> [(String, Int32)] {
        var entries: [(String, Int32)] = []
        var seen: Set<Int32> = []
        for (token, value) in try node.object().members {
            let element = JSONReader(value, file: node.file, path: "\(node.path)[\"\(token)\"]")
            let id = try element.tokenID()
            guard seen.insert(id).inserted else {
                throw element.fault("the id \(id) is used twice")
            }
            entries.append((token, id))
        }
        return entries
    }

    /// `["a", "b"]`, or `"a b"` as older files write it.
    private static func mergePair(_ node: JSONReader) throws(TokenizerError) -> (String, String) {
        if let text = node.value.stringValue {
            let parts = text.utf8.split(
                separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw node.fault("a merge should be two tokens") }
            return (String(parts[0]) ?? "", String(parts[1]) ?? "")
        }
        let parts = try node.elements()
        guard parts.count == 2 else { throw node.fault("a merge should be two tokens") }
        return (try parts[0].string(), try parts[1].string())
    }
}
