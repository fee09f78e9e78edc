internal import ApusBase

/// Reads the `model` of a `tokenizer.json`.
enum ModelReader {
    struct Result {
        var model: any TokenModel
        var spelling: TokenSpelling
    }

    private static let bpeKeys = [
        "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
        "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges",
    ]

    static func model(_ node: JSONReader, isByteLevel: Bool) throws(TokenizerError) -> Result {
        // Old files leave the type out; a list of merges tells.
        let type = try node.member("type")?.string() ?? (node.member("merges") == nil ? "" : "BPE")
        guard type == "BPE" else {
            throw node.fault(
                "a model of type \"\(type)\" is not supported", remedy: "supported: BPE")
        }
        try node.expectKeys(bpeKeys)
        return try bytePairModel(node, isByteLevel: isByteLevel)
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
        if isByteLevel, !(builder.continuingPrefix + builder.endSuffix).isEmpty {
            throw node.fault("a prefix or suffix of words is not supported with ByteLevel")
        }
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
        for element in try merges.elements() {
            let (left, right) = try mergePair(element)
            if let missing = builder.addMerge(left, right) {
                throw element.fault("the token \"\(missing)\" is not in the vocabulary")
            }
        }
        return Result(model: builder.model(), spelling: builder.spelling)
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
