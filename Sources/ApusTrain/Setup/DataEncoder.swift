internal import ApusConfig
internal import ApusData
internal import ApusTokenizer

/// A tokenizer as the data pipeline wants it.
struct DataEncoder: TextEncoder {
    let tokenizer: Tokenizer
    private let specialIDs: Set<Int32>

    init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        specialIDs = Set(tokenizer.addedTokens.filter(\.special).map(\.id))
    }

    var endOfTextID: Int32? { tokenizer.endOfTextID }

    func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

    func encode(_ text: String, addSpecialTokens: Bool) -> EncodedText {
        let encoding = tokenizer.encodeWithOffsets(text, addSpecialTokens: addSpecialTokens)
        return EncodedText(ids: encoding.ids, byteRanges: encoding.offsets)
    }
}

/// For data that is tokenised already, with models that bring no tokenizer.
struct NoEncoder: TextEncoder {
    let endOfTextID: Int32? = nil

    func isSpecial(_ id: Int32) -> Bool { false }

    func encode(_ text: String, addSpecialTokens: Bool) -> EncodedText {
        preconditionFailure("text is encoded without a tokenizer")
    }
}
