/// Reads the `normalizer` of a `tokenizer.json`.
enum NormalizerReader {
    private static let keys = [
        "NFC": [],
        "Sequence": ["normalizers"],
    ]

    static func stages(_ node: JSONReader?) throws(TokenizerError) -> [any TextStage] {
        guard let node else { return [] }
        switch try node.type("normalizer", keys: keys) {
        case "Sequence":
            var stages: [any TextStage] = []
            for element in try node.required("normalizers").elements() {
                stages += try self.stages(element)
            }
            return stages
        default:
            return [UnicodeNormalizer(form: .nfc)]
        }
    }
}
