internal import ApusBase
public import ApusFormats

/// The vocabulary that the metadata of a GGUF file holds (`tokenizer.ggml.*`), as plain values.
public struct GGUFVocabulary: Sendable {
    /// `tokenizer.ggml.model`: `gpt2` for byte-level BPE.
    public var model: String
    /// `tokenizer.ggml.pre`: which split pattern the tokenizer was trained with.
    public var pre: String?
    /// The texts of the tokens by id, as the file writes them.
    public var tokens: [String]
    /// What kind each token is: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    /// Empty means all normal.
    public var tokenTypes: [Int] = []
    public var merges: [String] = []
    /// The log-probabilities of a Unigram vocabulary, by which SentencePiece ones are merged too.
    public var scores: [Float] = []
    public var ids = SpecialIDs()
    /// Whether text begins with the token for its beginning; nil when the file does not say.
    public var addsBeginningOfText: Bool?
    /// Whether a space is put before the text (SentencePiece); nil when the file does not say.
    public var addsSpacePrefix: Bool?
    public var chatTemplate: String?
    /// Names the file in errors.
    public var source = "GGUF vocabulary"

    public struct SpecialIDs: Sendable, Hashable {
        public var beginningOfText: Int?
        public var endOfText: Int?
        public var unknown: Int?
        public var padding: Int?

        public init() {}
    }

    public init(model: String, pre: String?, tokens: [String]) {
        self.model = model
        self.pre = pre
        self.tokens = tokens
    }

    /// Reads the vocabulary out of an open file. Throws ``TokenizerError`` when there is none or a
    /// value has another type than it should.
    public init(_ file: GGUFFile) throws(TokenizerError) {
        let reader = MetadataReader(file: file)
        self.init(
            model: try reader.required("model") { $0.stringValue },
            pre: try reader.optional("pre") { $0.stringValue },
            tokens: try reader.required("tokens") { $0.arrayValue?.strings })
        tokenTypes = try reader.optional("token_type") { $0.arrayValue?.ints } ?? []
        merges = try reader.optional("merges") { $0.arrayValue?.strings } ?? []
        scores = try reader.optional("scores") { $0.arrayValue?.floats } ?? []
        ids.beginningOfText = try reader.optional("bos_token_id") { $0.intValue }
        ids.endOfText = try reader.optional("eos_token_id") { $0.intValue }
        ids.unknown = try reader.optional("unknown_token_id") { $0.intValue }
        ids.padding = try reader.optional("padding_token_id") { $0.intValue }
        addsBeginningOfText = try reader.optional("add_bos_token") { $0.boolValue }
        addsSpacePrefix = try reader.optional("add_space_prefix") { $0.boolValue }
        chatTemplate = file["tokenizer.chat_template"]?.stringValue
        source = file.path
    }

    /// Reads `tokenizer.ggml.*`.
    private struct MetadataReader {
        let file: GGUFFile

        func optional<Value>(
            _ name: String, _ get: (GGUFValue) -> Value?
        ) throws(TokenizerError) -> Value? {
            let key = "tokenizer.ggml." + name
            guard let value = file[key] else { return nil }
            guard let result = get(value) else {
                throw TokenizerError(file: file.path, location: key, "the value has a wrong type")
            }
            return result
        }

        func required<Value>(
            _ name: String, _ get: (GGUFValue) -> Value?
        ) throws(TokenizerError) -> Value {
            if let value = try optional(name, get) { return value }
            throw TokenizerError(
                file: file.path, location: "tokenizer.ggml." + name, "the value is missing",
                likelyCause: "the file holds a model without its tokenizer",
                remedy: "convert the model again, or give a folder with a tokenizer.json")
        }
    }
}

extension Tokenizer {
    /// A tokenizer from a GGUF vocabulary, with the ids that the HuggingFace tokenizer of the same
    /// model gives. ``Tokenizer/save(to:)`` writes it as the files that HuggingFace tools load.
    public init(gguf vocabulary: GGUFVocabulary) throws {
        let made = try GGUFConversion(vocabulary).files()
        try self.init(files: made, folder: vocabulary.source + ": ")
    }

    /// A tokenizer from the metadata of a GGUF file.
    public init(gguf file: GGUFFile) throws {
        try self.init(gguf: GGUFVocabulary(file))
    }
}
