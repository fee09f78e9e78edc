public import ApusBase
public import ApusTokenizer

/// What the data needs of a tokenizer.
public protocol TextEncoder: Sendable {
    /// The tokens of the text, and for each the UTF-8 bytes of the text that it stands for.
    ///
    /// - Parameter addSpecialTokens: whether to add what the model expects around a text, as a
    ///   beginning-of-text token. Chat templates write it themselves.
    func encodeWithOffsets(_ text: String, addSpecialTokens: Bool) -> Encoding

    func encode(_ text: String, addSpecialTokens: Bool) -> [Int32]

    /// The token that ends a text or turn; nil when the model has none.
    var endOfTextID: Int32? { get }
}

extension Tokenizer: TextEncoder {}

/// Writes a conversation as the text that the model reads.
public protocol ChatRenderer: Sendable {
    /// - Parameters:
    ///   - messages: objects with `role`, `content` and whatever else the template uses.
    ///   - tools: the value of the row's tools, when it has one.
    ///   - trainedRoles: whose words the model shall learn to write.
    /// - Throws: what the template raises, or its faults.
    func render(
        _ messages: [JSONObject], tools: JSON?, trainedRoles: Set<String>
    ) throws -> TrainedText
}

/// A text of which parts are trained.
public struct TrainedText: Sendable, Hashable {
    public var text: String
    /// UTF-8 bytes of the text, in order: what the model would have written, up to and with the
    /// mark that ends a turn.
    public var trained: [Range<Int>]

    public init(text: String, trained: [Range<Int>]) {
        self.text = text
        self.trained = trained
    }
}
