/// A token that is found in the text before the model sees it: a special token, or a word that
/// somebody added to the vocabulary.
public struct AddedToken: Sendable, Hashable {
    public var id: Int32
    public var content: String
    /// Matches only where no word character stands beside it.
    public var singleWord = false
    /// Takes the white space before it along.
    public var stripsLeft = false
    /// Takes the white space after it along.
    public var stripsRight = false
    /// Searched for in the normalized text and not in the caller's.
    public var normalized = false
    /// Controls the model rather than being text: left out by `decode(_:skipSpecialTokens: true)`.
    public var special = true

    public init(id: Int32, content: String) {
        self.id = id
        self.content = content
    }
}
