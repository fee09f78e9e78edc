internal import ApusBase
public import ApusFormats

extension GGUFVocabulary {
    /// The vocabulary of the HuggingFace tokenizer in a model folder, as llama.cpp stores it.
    ///
    /// - size: rows of the model's embedding; ids without a token are named `[PADn]`, as
    ///   llama.cpp's converter does
    ///
    /// Throws ``TokenizerError`` for a tokenizer that GGUF has no name for.
    public init(folder: String, size: Int) throws {
        let tokenizer = try Tokenizer(folder: folder)
        let path = FilePaths.join(folder, TokenizerFiles.tokenizer)
        let files = try TokenizerFiles(folder: folder)
        guard let json = try files[TokenizerFiles.tokenizer].map({ try JSON.parse($0) }) else {
            throw TokenizerError(file: path, location: "", "there is no such file")
        }
        try self.init(TokenizerJSON(json: json, path: path), size: size)
        let named = tokenizer.configuration
        let beginning = named.beginningOfText ?? TokenizerJSON(json: json, path: path).firstToken
        ids.beginningOfText = try id(of: beginning, path)
        ids.endOfText = try id(of: named.endOfText, path)
        ids.unknown = try id(of: named.unknown, path)
        ids.padding = try id(of: named.padding, path)
        chatTemplate = named.chatTemplate
    }

    private func id(of token: String?, _ path: String) throws(TokenizerError) -> Int? {
        guard let token else { return nil }
        guard let id = tokens.firstIndex(where: { ByteKey($0) == ByteKey(token) }) else {
            throw TokenizerError(
                file: path, location: "", "the special token \"\(token)\" is not in the vocabulary")
        }
        return id
    }

    private init(_ file: TokenizerJSON, size: Int) throws(TokenizerError) {
        let isSentencePiece = try file.isSentencePiece()
        self.init(
            model: isSentencePiece ? "llama" : "gpt2",
            pre: isSentencePiece ? "default" : try file.splitName(), tokens: [])
        source = file.path
        let vocabulary = try file.vocabulary()
        let added = file.addedTokens
        let last = max(
            vocabulary.reduce(-1) { max($0, $1.id) }, added.reduce(-1) { max($0, $1.id) })
        guard last < size else {
            throw file.fault(
                "model.vocab", "token \(last) is beyond the model's embedding of \(size) rows")
        }
        tokens = (0..<size).map { "[PAD\($0)]" }
        tokenTypes = [Int](repeating: 5, count: size)
        for (token, id) in vocabulary {
            tokens[id] = token
            tokenTypes[id] = isSentencePiece && Self.isByte(token) ? 6 : 1
        }
        for token in added {
            tokens[token.id] = token.text
            tokenTypes[token.id] = token.isSpecial ? 3 : 4
        }
        let merges = try file.merges()
        if isSentencePiece {
            if let unknown = file.unknown.flatMap({ tokens.firstIndex(of: $0) }) {
                tokenTypes[unknown] = 2
            }
            scores = Self.scores(tokens, merges)
            addsSpacePrefix = file.addsSpacePrefix
        } else {
            self.merges = merges.map { $0.left + " " + $0.right }
        }
        addsBeginningOfText = file.firstToken != nil
    }

    /// `<0x0A>`, the token of a byte.
    private static func isByte(_ token: String) -> Bool {
        token.utf8.count == 6 && token.hasPrefix("<0x") && token.hasSuffix(">")
    }

    /// SentencePiece merges by score: the earlier the merge that makes a token, the higher.
    private static func scores(
        _ tokens: [String], _ merges: [(left: String, right: String)]
    ) -> [Float] {
        var rank: [ByteKey: Int] = [:]
        for (position, merge) in merges.enumerated() {
            let made = ByteKey(merge.left + merge.right)
            if rank[made] == nil { rank[made] = position }
        }
        return tokens.map { rank[ByteKey($0)].map { -Float($0 + 1) } ?? 0 }
    }

    /// The metadata of a GGUF file.
    public var metadata: [(key: String, value: GGUFValue)] {
        let prefix = "tokenizer.ggml."
        var pairs: [(key: String, value: GGUFValue)] = [
            (prefix + "model", .string(model)), (prefix + "tokens", .array(.string(tokens))),
        ]
        if let pre { pairs.insert((prefix + "pre", .string(pre)), at: 1) }
        if !scores.isEmpty { pairs.append((prefix + "scores", .array(.float32(scores)))) }
        if !tokenTypes.isEmpty {
            let types = tokenTypes.map { Int32($0) }
            pairs.append((prefix + "token_type", .array(.int32(types))))
        }
        if !merges.isEmpty { pairs.append((prefix + "merges", .array(.string(merges)))) }
        for (name, id) in [
            ("bos_token_id", ids.beginningOfText), ("eos_token_id", ids.endOfText),
            ("unknown_token_id", ids.unknown), ("padding_token_id", ids.padding),
        ] {
            if let id { pairs.append((prefix + name, .uint32(UInt32(id)))) }
        }
        if let addsBeginningOfText {
            pairs.append((prefix + "add_bos_token", .bool(addsBeginningOfText)))
        }
        if let addsSpacePrefix {
            pairs.append((prefix + "add_space_prefix", .bool(addsSpacePrefix)))
        }
        if let chatTemplate { pairs.append(("tokenizer.chat_template", .string(chatTemplate))) }
        return pairs
    }
}

/// What a tokenizer.json says, as far as GGUF can say it too.
private struct TokenizerJSON {
    let json: JSON
    let path: String

    func fault(_ location: String, _ problem: String, remedy: String? = nil) -> TokenizerError {
        TokenizerError(file: path, location: location, problem, remedy: remedy)
    }

    private var model: JSON? { json["model"] }

    /// Byte pairs over characters with a byte fallback, or byte pairs over bytes.
    func isSentencePiece() throws(TokenizerError) -> Bool {
        guard model?["type"]?.stringValue == "BPE" else {
            throw fault(
                "model.type", "GGUF files are written for byte-pair encoding only",
                remedy: "convert this model with llama.cpp's own tool")
        }
        return model?["byte_fallback"]?.boolValue == true
    }

    func vocabulary() throws(TokenizerError) -> [(token: String, id: Int)] {
        var result: [(token: String, id: Int)] = []
        for (token, value) in model?["vocab"]?.objectValue?.members ?? [] {
            guard let id = value.intValue, id >= 0 else {
                throw fault("model.vocab", "the id of \"\(token)\" is \(value.kind)")
            }
            result.append((token, id))
        }
        return result
    }

    var addedTokens: [(text: String, id: Int, isSpecial: Bool)] {
        (json["added_tokens"]?.arrayValue ?? []).compactMap { token in
            guard let text = token["content"]?.stringValue, let id = token["id"]?.intValue, id >= 0
            else { return nil }
            return (text, id, token["special"]?.boolValue == true)
        }
    }

    var unknown: String? { model?["unk_token"]?.stringValue }

    /// Pairs, in old files as one text with a space between them.
    func merges() throws(TokenizerError) -> [(left: String, right: String)] {
        var result: [(left: String, right: String)] = []
        for (rank, merge) in (model?["merges"]?.arrayValue ?? []).enumerated() {
            let parts =
                merge.arrayValue?.compactMap(\.stringValue)
                ?? merge.stringValue?.split(separator: " ").map { String($0) } ?? []
            guard parts.count == 2 else {
                throw fault("model.merges[\(rank)]", "a merge should be two tokens")
            }
            result.append((parts[0], parts[1]))
        }
        return result
    }

    /// Whether a space is put before the text, by the normalizer or by the pre-tokenizer.
    var addsSpacePrefix: Bool {
        let normalizers = Self.steps(json["normalizer"], "normalizers")
        if normalizers.contains(where: { $0["type"]?.stringValue == "Prepend" }) { return true }
        return Self.steps(json["pre_tokenizer"], "pretokenizers").contains { step in
            step["type"]?.stringValue == "Metaspace"
                && step["prepend_scheme"]?.stringValue != "never"
        }
    }

    /// The token that is put before every text.
    var firstToken: String? {
        Self.steps(json["post_processor"], "processors").lazy.compactMap { step in
            step["single"]?.arrayValue?.first?["SpecialToken"]?["id"]?.stringValue
        }.first
    }

    /// A sequence's members, or the only one.
    private static func steps(_ stage: JSON?, _ members: String) -> [JSON] {
        guard let stage, !stage.isNull else { return [] }
        return stage["type"]?.stringValue == "Sequence" ? stage[members]?.arrayValue ?? [] : [stage]
    }

    /// llama.cpp's name of how text is split.
    func splitName() throws(TokenizerError) -> String {
        let own = Self.splitting(json["pre_tokenizer"], json["normalizer"])
        let families = ByteLevelFamily.all.filter {
            Self.splitting($0.preTokenizer, $0.normalizer) == own
        }
        let takesWholePieces = model?["ignore_merges"]?.boolValue ?? false
        let family = families.first { $0.takesWholePieces == takesWholePieces }
        guard let family = family ?? families.first else {
            let known = ByteLevelFamily.all.compactMap(\.names.first).joined(separator: ", ")
            throw fault(
                "pre_tokenizer", "GGUF's name for this way of splitting text is not known here",
                remedy: "known are \(known); convert the model with llama.cpp's own tool")
        }
        return family.names[0]
    }

    /// What distinguishes ways of splitting, in words.
    private static func splitting(_ preTokenizer: JSON?, _ normalizer: JSON?) -> [String] {
        let normalizers = steps(normalizer, "normalizers").map { $0["type"]?.stringValue ?? "" }
        return normalizers
            + steps(preTokenizer, "pretokenizers").map { step in
                switch step["type"]?.stringValue {
                case "Split": "split \(step["pattern"]?["Regex"]?.stringValue ?? "")"
                case "Digits": "digits \(step["individual_digits"]?.boolValue == true)"
                case "ByteLevel":
                    "bytes \(step["use_regex"]?.boolValue ?? true)"
                        + " \(step["add_prefix_space"]?.boolValue ?? true)"
                case let other: other ?? ""
                }
            }
    }
}
