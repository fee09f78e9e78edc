internal import Synchronization

/// Turns text into the token ids of a model and back, with the same ids as HuggingFace
/// `tokenizers`.
///
/// Made from a model folder (`Tokenizer(folder:)`), from the text of a `tokenizer.json`, or from
/// the vocabulary of a GGUF file. A value that can be copied and used from any thread.
public struct Tokenizer: Sendable {
    let pipeline: Pipeline
    /// Names and settings around the pipeline: special tokens, chat templates.
    public internal(set) var configuration: TokenizerConfiguration
    /// The files it was made from, to be saved beside a tuned model.
    var files: TokenizerFiles
    let templates = ChatTemplateCache()
    private let encoders: EncoderPool

    init(pipeline: Pipeline, configuration: TokenizerConfiguration, files: TokenizerFiles) {
        var pipeline = pipeline
        pipeline.prepare()
        self.pipeline = pipeline
        self.configuration = configuration
        self.files = files
        encoders = EncoderPool()
    }

    /// One more than the largest token id: the least number of rows of an embedding.
    public var vocabularySize: Int { pipeline.idLimit }

    /// The id of a token by its text, special or not.
    public func id(of token: String) -> Int32? { pipeline.id(of: token) }

    /// The token's text as the vocabulary file writes it; nil for an id that is none.
    public func token(of id: Int32) -> String? { pipeline.token(of: id) }

    public var beginningOfTextID: Int32? { configuration.beginningOfText.flatMap(id(of:)) }
    public var endOfTextID: Int32? { configuration.endOfText.flatMap(id(of:)) }
    public var paddingID: Int32? { configuration.padding.flatMap(id(of:)) }
    public var unknownID: Int32? { configuration.unknown.flatMap(id(of:)) }

    /// Tokens that are found in text before the model sees it, in the order of their ids.
    public var addedTokens: [AddedToken] { pipeline.addedTokens }

    /// The token ids of `text`.
    ///
    /// - Parameter addSpecialTokens: adds what the model expects around a text of its own, such as
    ///   a token for its beginning. Text that a chat template rendered has them already.
    public func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int32] {
        encoders.withEncoder(of: pipeline.model) { encoder in
            pipeline.ids(of: Array(text.utf8), addSpecialTokens: addSpecialTokens, with: encoder)
        }
    }

    /// The token ids of `text` and where in it each token stands.
    public func encodeWithOffsets(_ text: String, addSpecialTokens: Bool = true) -> Encoding {
        let source = Array(text.utf8)
        let trimmed = pipeline.trim(rawEncoding(of: source), of: source)
        return pipeline.postProcessor.wrap([trimmed], addSpecialTokens: addSpecialTokens)
    }

    func rawEncoding(of source: [UInt8]) -> Encoding {
        encoders.withEncoder(of: pipeline.model) { pipeline.rawEncoding(of: source, with: $0) }
    }

    /// The text of token ids; ids that are none are left out.
    public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false) -> String {
        pipeline.decode(Array(ids), skipSpecialTokens: skipSpecialTokens)
    }
}

/// Token ids and the part of the text that each stands for.
public struct Encoding: Sendable, Hashable {
    public var ids: [Int32] = []
    /// Ranges of the UTF-8 bytes of the text that the token is of; empty for tokens that were added
    /// around it.
    public var offsets: [Range<Int>] = []
    /// By which models that read pairs tell the texts apart: `token_type_ids`.
    public var typeIDs: [Int32] = []
    /// The tokens of the text, or of each of two.
    public var texts: [Range<Int>] = []

    public init() {}

    mutating func append(_ id: Int32, _ range: Range<Int>) {
        ids.append(id)
        offsets.append(range)
    }
}

/// Encoders at rest. Each has a cache that took work to fill, so they are kept between calls.
private final class EncoderPool: Sendable {
    private let idle = Mutex<[Box]>([])

    func withEncoder<Result>(
        of model: any TokenModel, _ body: (any PieceEncoder) -> Result
    ) -> Result {
        let box = idle.withLock { $0.popLast() } ?? Box(model.makeEncoder())
        defer { idle.withLock { $0.append(box) } }
        return body(box.encoder)
    }

    /// Taken from the pool by one thread at a time, which is what makes sharing it safe.
    private final class Box: @unchecked Sendable {
        let encoder: any PieceEncoder
        init(_ encoder: any PieceEncoder) { self.encoder = encoder }
    }
}
