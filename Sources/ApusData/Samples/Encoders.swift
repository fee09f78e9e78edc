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

/// Writes a conversation as the text that the model was trained on.
public protocol ChatRenderer: Sendable {
    /// - Parameters:
    ///   - messages: objects with `role`, `content` and whatever else the template uses.
    ///   - tools: the value of the row's tools, when it has one.
    /// - Throws: what the template raises, or its faults.
    func render(_ messages: [JSON], tools: JSON?) throws -> RenderedChat
}

/// A conversation as text, with the place of each message's words in it.
public struct RenderedChat: Sendable, Hashable {
    public var text: String
    /// For each message the UTF-8 bytes that the model would have produced: its content up to and
    /// with the mark that ends the turn; nil where the template leaves the message out.
    public var spans: [Range<Int>?]

    public init(text: String, spans: [Range<Int>?]) {
        self.text = text
        self.spans = spans
    }
}
