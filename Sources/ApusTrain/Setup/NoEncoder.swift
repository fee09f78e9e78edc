internal import ApusData
internal import ApusTokenizer

/// For data that is tokenised already, with models that bring no tokenizer.
struct NoEncoder: TextEncoder {
    let endOfTextID: Int32? = nil

    func encode(_ text: String, addSpecialTokens: Bool) -> [Int32] { refuse() }

    func encodeWithOffsets(_ text: String, addSpecialTokens: Bool) -> Encoding { refuse() }

    private func refuse() -> Never { preconditionFailure("text is encoded without a tokenizer") }
}
