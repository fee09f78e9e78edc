internal import ApusBase
internal import ApusFormats

extension Tokenizer {
    /// Reads the tokenizer of a HuggingFace model folder: `tokenizer.json`, and where present
    /// `tokenizer_config.json`, `special_tokens_map.json` and the chat templates.
    ///
    /// Throws ``TokenizerError`` or `FileError`, also for every part of `tokenizer.json` that is
    /// not supported: text is never tokenized in another way than the model was trained with.
    public init(folder: String) throws {
        let files = try TokenizerFiles(folder: folder)
        let prefix = folder.hasSuffix("/") ? folder : folder + "/"
        guard files[TokenizerFiles.tokenizer] != nil else {
            let looksLikeModel = FilePaths.isFolder(folder)
            throw FileError(
                prefix + TokenizerFiles.tokenizer, "the file is missing",
                likelyCause: looksLikeModel
                    ? "the model was saved without its tokenizer, or with an older format only"
                    : "\(folder) is no folder",
                remedy: "copy tokenizer.json from the model that this one was made from")
        }
        try self.init(files: files, folder: prefix)
    }

    /// A tokenizer from the text of its files.
    ///
    /// - Parameter file: names the text in errors.
    public init(
        tokenizerJSON text: String, configurationJSON: String? = nil, chatTemplate: String? = nil,
        file: String = ""
    ) throws {
        var files = TokenizerFiles()
        files.files.append(.init(name: TokenizerFiles.tokenizer, text: text))
        if let configurationJSON {
            files.files.append(.init(name: TokenizerFiles.configuration, text: configurationJSON))
        }
        if let chatTemplate {
            files.files.append(.init(name: TokenizerFiles.chatTemplate, text: chatTemplate))
        }
        try self.init(files: files, folder: file)
    }

    init(files: TokenizerFiles, folder: String) throws {
        let reader = ConfigurationReader(files: files, folder: folder)
        guard let root = try reader.document(TokenizerFiles.tokenizer) else {
            preconditionFailure("Tokenizer.init(files:): called without a tokenizer.json")
        }
        var pipeline = try TokenizerFile.pipeline(of: root)
        var configuration = try reader.configuration()
        configuration.truncation = try LengthReader.truncation(root.member("truncation"))
        configuration.paddingRule = try LengthReader.padding(root.member("padding"))
        pipeline.add(try reader.listedTokens().filter { pipeline.isNew($0) })
        pipeline.addSpecialTokens(configuration.specialTokens.values.sorted())
        self.init(pipeline: pipeline, configuration: configuration, files: files)
    }
}

extension Pipeline {
    func isNew(_ token: AddedToken) -> Bool {
        !addedTokens.contains { ByteKey($0.content) == ByteKey(token.content) }
    }

    /// Named special tokens that are ordinary words of the vocabulary are found in text like added
    /// ones, as `transformers` has it.
    mutating func addSpecialTokens(_ contents: [String]) {
        for content in contents {
            guard let id = id(of: content) else { continue }
            let token = AddedToken(id: id, content: content)
            if isNew(token) { add([token]) }
        }
    }
}
