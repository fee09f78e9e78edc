public import ApusConfig
public import ApusTokenizer

/// From the words of a recipe to what the data pipeline takes.
extension Recipe {
    /// - vocabularySize: ids from there on are refused; nil where the model is not looked at
    public func datasetOptions(vocabularySize: Int?) -> Dataset.Options {
        var options = Dataset.Options()
        options.sequenceLength = data.sequenceLength
        options.excessLength = data.excessLength
        options.vocabularySize = vocabularySize
        options.scratchFolder = output.outputDirectory
        return options
    }

    /// Where `dataset_prepared_path` keeps tokenised samples; nil without it.
    public func datasetCache(_ tokenizer: Tokenizer?) -> DatasetCache? {
        guard let folder = data.preparedPath else { return nil }
        let files = tokenizer?.fileTexts.flatMap { [$0.name, $0.text] } ?? []
        return DatasetCache(folder: folder, makers: files + [data.chatTemplateJinja ?? ""])
    }

    /// How samples become rows; batch sizes and padding are the trainer's matter.
    public var packingOptions: BatchOptions {
        var options = BatchOptions()
        options.packing = data.samplePacking
        options.sequenceLength = data.sequenceLength
        options.padsToSequenceLength = data.padToSequenceLength ?? data.samplePacking
        options.shuffles = data.shuffleMergedDatasets
        options.seed = UInt64(bitPattern: Int64(output.seed))
        return options
    }

    /// The recipe's own template, or the one that comes with the tokenizer; nil where neither is.
    public func chatRenderer(_ tokenizer: Tokenizer?) throws -> (any ChatRenderer)? {
        guard let tokenizer else { return nil }
        guard let text = data.chatTemplateJinja else { return TokenizerChat(tokenizer) }
        return TokenizerChat(tokenizer, template: try ChatTemplate(text))
    }
}

extension DataSettings {
    var excessLength: ExcessLength {
        switch excessLengthStrategy {
        case .drop: .drop
        case .truncate: .truncate
        case .split: .split
        }
    }
}

extension DatasetSettings {
    /// What the data pipeline reads.
    public var source: DataSource {
        var source = DataSource(path: path, format: format, kind: kind, weight: weight)
        source.lossWeightField = fieldWeight
        return source
    }

    private var format: DataFormat? {
        switch fileType {
        case .json: .json
        case .text: .text
        case .csv: .csv
        case .parquet: .parquet
        case nil: nil
        }
    }

    private var kind: SampleKind {
        switch sampleType {
        case .completion, nil: .completion(field: field)
        case .inputIDs: .tokens
        case .inputOutput: .segments
        case .alpaca: .alpaca
        case .promptCompletion: .promptCompletion(chat: chatFields)
        case .chatTemplate: .chat(chatFields)
        case .shareGPT: .chat(shareGPTFields)
        }
    }

    private var chatFields: ChatFields {
        var fields = ChatFields()
        fields.messages = fieldMessages
        fields.role = messagePropertyMappings.role
        fields.content = messagePropertyMappings.content
        fields.tools = fieldTools
        fields.roleNames = roleNames
        fields.trainedRoles = Set(rolesToTrain)
        return fields
    }

    /// ShareGPT's names where the recipe has not chosen others.
    private var shareGPTFields: ChatFields {
        var fields = chatFields
        let standard = DatasetSettings()
        let names = ChatFields.shareGPT
        if fieldMessages == standard.fieldMessages { fields.messages = names.messages }
        if messagePropertyMappings.role == standard.messagePropertyMappings.role {
            fields.role = names.role
        }
        if messagePropertyMappings.content == standard.messagePropertyMappings.content {
            fields.content = names.content
        }
        return fields
    }
}
