internal import ApusBase

/// Reads `tokenizer_config.json`, `special_tokens_map.json` and the chat templates.
struct ConfigurationReader {
    let files: TokenizerFiles
    let folder: String

    func configuration() throws(TokenizerError) -> TokenizerConfiguration {
        var result = TokenizerConfiguration()
        // The map is the older place; what the configuration says counts.
        for name in [TokenizerFiles.specialTokensMap, TokenizerFiles.configuration] {
            guard let root = try document(name) else { continue }
            try readSpecialTokens(root, into: &result)
        }
        guard let root = try document(TokenizerFiles.configuration) else {
            result.chatTemplates = try templates(nil)
            return result
        }
        // Writers put 1e30 for "no limit".
        if let length = root.member("model_max_length")?.value.intValue, length < 1 << 40 {
            result.maximumLength = length
        }
        result.chatTemplates = try templates(root.member("chat_template"))
        return result
    }

    func document(_ name: String) throws(TokenizerError) -> JSONReader? {
        guard let text = files[name] else { return nil }
        return try Self.parse(text, file: folder + name)
    }

    static func parse(_ text: String, file: String) throws(TokenizerError) -> JSONReader {
        do {
            return JSONReader(try JSON.parse(text), file: file)
        } catch {
            throw TokenizerError(
                file: file, location: "offset \(error.offset)", error.problem,
                likelyCause: "the file was cut short or changed by hand",
                remedy: "copy it again from where the model came from")
        }
    }

    private func readSpecialTokens(
        _ root: JSONReader, into result: inout TokenizerConfiguration
    ) throws(TokenizerError) {
        for key in try root.object().keys where key.hasSuffix("_token") {
            if let node = root.member(key), let text = Self.tokenText(node) {
                result.specialTokens[key] = text
            }
        }
        guard let extra = root.member("extra_special_tokens"), let members = extra.value.objectValue
        else { return }
        for (key, value) in members.members {
            if let text = Self.tokenText(JSONReader(value, file: extra.file)) {
                result.specialTokens[key] = text
            }
        }
    }

    /// A token as text, or as an object that describes it. `add_bos_token` and the like are
    /// neither.
    private static func tokenText(_ node: JSONReader) -> String? {
        node.value.stringValue ?? node.value["content"]?.stringValue
    }

    private func templates(_ node: JSONReader?) throws(TokenizerError) -> [String: String] {
        var result = files.additionalTemplates
        if let text = files[TokenizerFiles.chatTemplate] {
            result["default"] = text
            return result
        }
        if let text = node?.value.stringValue {
            result["default"] = text
        } else if let node {
            for element in try node.elements() {
                result[try element.string("name")] = try element.string("template")
            }
        } else if let old = try document(TokenizerFiles.chatTemplateJSON) {
            result["default"] = try old.string("chat_template")
        }
        return result
    }

    /// Tokens that only the configuration lists: `added_tokens_decoder`, `{"id": {"content":
    /// ...}}`.
    func listedTokens() throws(TokenizerError) -> [AddedToken] {
        guard let list = try document(TokenizerFiles.configuration)?.member("added_tokens_decoder")
        else { return [] }
        var tokens: [AddedToken] = []
        for key in try list.object().keys {
            guard let node = list.member(key), let id = Int32(key), id >= 0, id < JSONReader.idLimit
            else { throw list.fault("\"\(key)\" is no token id") }
            var token = AddedToken(id: id, content: try node.string("content"))
            token.singleWord = try node.bool("single_word", default: false)
            token.stripsLeft = try node.bool("lstrip", default: false)
            token.stripsRight = try node.bool("rstrip", default: false)
            token.special = try node.bool("special", default: false)
            token.normalized = try node.bool("normalized", default: !token.special)
            tokens.append(token)
        }
        return tokens
    }
}
