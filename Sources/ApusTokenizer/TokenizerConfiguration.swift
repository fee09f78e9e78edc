/// What `tokenizer_config.json` and the files beside it say around the pipeline.
public struct TokenizerConfiguration: Sendable, Hashable {
    /// The texts of named special tokens: `bos_token`, `eos_token`, `pad_token`, `unk_token` and
    /// others. Chat templates see them under these names.
    public var specialTokens: [String: String] = [:]
    /// Chat templates by name; the usual one is `default`.
    public var chatTemplates: [String: String] = [:]
    /// The longest input, in tokens, that the model was made for.
    public var maximumLength: Int?

    /// What `tokenizer.json` says about long texts and about batches; applied when asked for.
    public var truncation: Truncation?
    public var paddingRule: Padding?

    public init() {}

    public var beginningOfText: String? { specialTokens["bos_token"] }
    public var endOfText: String? { specialTokens["eos_token"] }
    public var padding: String? { specialTokens["pad_token"] }
    public var unknown: String? { specialTokens["unk_token"] }
    public var chatTemplate: String? { chatTemplates["default"] }
}
