internal import ApusBase

/// Makes the files of a HuggingFace tokenizer from a GGUF vocabulary. The tokenizer is then read
/// from them, so that what is saved and what runs cannot differ.
struct GGUFConversion {
    private let vocabulary: GGUFVocabulary

    private static let unknown = 2
    private static let control = 3
    private static let userDefined = 4

    init(_ vocabulary: GGUFVocabulary) { self.vocabulary = vocabulary }

    func files() throws(TokenizerError) -> TokenizerFiles {
        let types = vocabulary.tokenTypes
        guard types.isEmpty || types.count == vocabulary.tokens.count else {
            throw fault(
                "token_type", "\(types.count) types for \(vocabulary.tokens.count) tokens")
        }
        let tokenizer: JSON
        switch vocabulary.model {
        case "gpt2": tokenizer = try byteLevelTokenizer()
        case "llama": tokenizer = try sentencePieceTokenizer()
        default:
            throw fault(
                "model", "vocabularies of kind \"\(vocabulary.model)\" are not supported",
                remedy: "supported: gpt2 (byte-level BPE), llama (SentencePiece BPE)")
        }
        var result = TokenizerFiles()
        result.files.append(
            .init(name: TokenizerFiles.tokenizer, text: tokenizer.text(.indented)))
        result.files.append(
            .init(
                name: TokenizerFiles.configuration,
                text: try configuration().text(.indented) + "\n"))
        if let template = vocabulary.chatTemplate {
            result.files.append(.init(name: TokenizerFiles.chatTemplate, text: template))
        }
        return result
    }

    private func fault(_ key: String, _ problem: String, remedy: String? = nil) -> TokenizerError {
        TokenizerError(
            file: vocabulary.source, location: "tokenizer.ggml." + key, problem, remedy: remedy)
    }

    private func byteLevelTokenizer() throws(TokenizerError) -> JSON {
        let pre = vocabulary.pre ?? "default"
        guard let family = ByteLevelFamily.all.first(where: { $0.names.contains(pre) }) else {
            let known = ByteLevelFamily.all.flatMap(\.names).joined(separator: ", ")
            throw fault(
                "pre", "the split pattern \"\(pre)\" is not known", remedy: "known: " + known)
        }
        let addsBeginning = vocabulary.addsBeginningOfText ?? family.addsBeginningOfText
        return [
            "version": "1.0", "truncation": .null, "padding": .null,
            "added_tokens": .array(addedTokens()), "normalizer": family.normalizer,
            "pre_tokenizer": family.preTokenizer,
            "post_processor": try postProcessor(addsBeginning: addsBeginning),
            "decoder": ByteLevelFamily.byteLevel(usesPattern: true),
            "model": try byteLevelModel(takesWholePieces: family.takesWholePieces),
        ]
    }

    private func addedTokens() -> [JSON] {
        var result: [JSON] = []
        for (id, type) in vocabulary.tokenTypes.enumerated()
        where [Self.unknown, Self.control, Self.userDefined].contains(type) {
            result.append([
                "id": .integer(id), "content": .string(vocabulary.tokens[id]),
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": .bool(type != Self.userDefined),
            ])
        }
        return result
    }

    private func tokenTable() throws(TokenizerError) -> JSONObject {
        var tokens = JSONObject()
        for (id, token) in vocabulary.tokens.enumerated() {
            guard tokens[token] == nil else {
                throw fault("tokens[\(id)]", "the token \"\(token)\" appears twice")
            }
            tokens[token] = .integer(id)
        }
        return tokens
    }

    private func byteLevelModel(takesWholePieces: Bool) throws(TokenizerError) -> JSON {
        let tokens = try tokenTable()
        var merges: [JSON] = []
        for (rank, merge) in vocabulary.merges.enumerated() {
            // A token may begin with a space only in theory; the first space after a byte parts
            // them.
            let bytes = Array(merge.utf8)
            guard let space = bytes.dropFirst().firstIndex(of: UInt8(ascii: " ")) else {
                throw fault("merges[\(rank)]", "a merge should be two tokens")
            }
            let left = String(decoding: bytes[..<space], as: UTF8.self)
            let right = String(decoding: bytes[(space + 1)...], as: UTF8.self)
            merges.append([.string(left), .string(right)])
        }
        return [
            "type": "BPE", "dropout": .null, "unk_token": .null,
            "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": false,
            "byte_fallback": false, "ignore_merges": .bool(takesWholePieces),
            "vocab": .object(tokens), "merges": .array(merges),
        ]
    }

    private func postProcessor(addsBeginning: Bool) throws(TokenizerError) -> JSON {
        let plain: JSON = ByteLevelFamily.byteLevel(usesPattern: true)
        guard addsBeginning else { return plain }
        return ["type": "Sequence", "processors": [plain, try beginningTemplate()]]
    }

    /// Puts the token for the beginning before every text.
    private func beginningTemplate() throws(TokenizerError) -> JSON {
        guard let token = try token(vocabulary.ids.beginningOfText, "bos_token_id"),
            let id = vocabulary.ids.beginningOfText
        else {
            throw fault("bos_token_id", "the value is missing, and text should begin with it")
        }
        let name: JSON = .string(token)
        let special: JSON = ["SpecialToken": ["id": name, "type_id": 0]]
        let first: JSON = ["Sequence": ["id": "A", "type_id": 0]]
        let second: JSON = ["Sequence": ["id": "B", "type_id": 1]]
        let entry: JSON = ["id": name, "ids": [.integer(id)], "tokens": [name]]
        let secondSpecial: JSON = ["SpecialToken": ["id": name, "type_id": 1]]
        return [
            "type": "TemplateProcessing", "single": [special, first],
            "pair": [special, first, secondSpecial, second],
            "special_tokens": .object([token: entry]),
        ]
    }

    /// Byte pairs over characters with visible spaces and byte fallback; the merges follow from the
    /// scores.
    private func sentencePieceTokenizer() throws(TokenizerError) -> JSON {
        guard vocabulary.scores.count == vocabulary.tokens.count else {
            let counts = "\(vocabulary.scores.count) scores for \(vocabulary.tokens.count) tokens"
            throw fault("scores", counts)
        }
        let tokens = try tokenTable()
        let types = vocabulary.tokenTypes
        let isSpecial = vocabulary.tokens.indices.map {
            !types.isEmpty && [Self.unknown, Self.control].contains(types[$0])
        }
        let merges = ScoreMerges(
            tokens: vocabulary.tokens, scores: vocabulary.scores, isSpecial: isSpecial)
        let replace: JSON = [
            "type": "Replace", "pattern": ["String": " "], "content": "\u{2581}",
        ]
        let addsSpace = vocabulary.addsSpacePrefix ?? true
        let prepend: JSON = ["type": "Prepend", "prepend": "\u{2581}"]
        let unknown = try token(
            vocabulary.ids.unknown ?? types.firstIndex(of: 2), "unknown_token_id")
        let addsBeginning = vocabulary.addsBeginningOfText ?? true
        return [
            "version": "1.0", "truncation": .null, "padding": .null,
            "added_tokens": .array(addedTokens()),
            "normalizer": [
                "type": "Sequence", "normalizers": addsSpace ? [prepend, replace] : [replace],
            ],
            "pre_tokenizer": .null,
            "post_processor": addsBeginning ? try beginningTemplate() : .null,
            "decoder": Self.sentencePieceDecoder(dropsFirstSpace: addsSpace),
            "model": [
                "type": "BPE", "dropout": .null, "unk_token": unknown.map { .string($0) } ?? .null,
                "continuing_subword_prefix": .null, "end_of_word_suffix": .null,
                "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": .object(tokens), "merges": .array(merges.json),
            ],
        ]
    }

    private static func sentencePieceDecoder(dropsFirstSpace: Bool) -> JSON {
        var steps: [JSON] = [
            ["type": "Replace", "pattern": ["String": "\u{2581}"], "content": " "],
            ["type": "ByteFallback"], ["type": "Fuse"],
        ]
        if dropsFirstSpace {
            steps.append(["type": "Strip", "content": " ", "start": 1, "stop": 0])
        }
        return ["type": "Sequence", "decoders": .array(steps)]
    }

    private func token(_ id: Int?, _ key: String) throws(TokenizerError) -> String? {
        guard let id else { return nil }
        guard vocabulary.tokens.indices.contains(id) else {
            throw fault(key, "\(id) is no token of \(vocabulary.tokens.count)")
        }
        return vocabulary.tokens[id]
    }

    private func configuration() throws(TokenizerError) -> JSON {
        var result = JSONObject()
        let ids = vocabulary.ids
        let named = [
            ("bos_token", ids.beginningOfText, "bos_token_id"),
            ("eos_token", ids.endOfText, "eos_token_id"),
            ("pad_token", ids.padding, "padding_token_id"),
            ("unk_token", ids.unknown, "unknown_token_id"),
        ]
        for (name, id, key) in named {
            if let text = try token(id, key) { result[name] = .string(text) }
        }
        if let template = vocabulary.chatTemplate { result["chat_template"] = .string(template) }
        result["clean_up_tokenization_spaces"] = false
        result["tokenizer_class"] = "PreTrainedTokenizerFast"
        return .object(result)
    }
}
