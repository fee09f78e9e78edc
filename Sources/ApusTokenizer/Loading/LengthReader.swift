/// Reads `truncation` and `padding` of a `tokenizer.json`: what the reference library applies to
/// every text, and `transformers` only when asked to. Apus too waits to be asked.
enum LengthReader {
    static func truncation(_ node: JSONReader?) throws(TokenizerError) -> Truncation? {
        guard let node else { return nil }
        try node.expectKeys(["direction", "max_length", "strategy", "stride"])
        var result = Truncation(maximumLength: try node.required("max_length").integer())
        result.stride = try node.member("stride")?.integer() ?? 0
        result.side = try side(node)
        guard result.stride >= 0 else { throw node.fault("the stride is negative") }
        if let strategy = node.member("strategy") {
            guard let known = Truncation.Strategy(rawValue: try strategy.string()) else {
                throw strategy.fault("\"\(try strategy.string())\" is not known")
            }
            result.strategy = known
        }
        return result
    }

    static func padding(_ node: JSONReader?) throws(TokenizerError) -> Padding? {
        guard let node else { return nil }
        try node.expectKeys([
            "strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token",
        ])
        var result = Padding(id: try node.required("pad_id").tokenID())
        result.typeID = try node.member("pad_type_id")?.tokenID() ?? 0
        result.length = try node.member("strategy")?.member("Fixed")?.integer()
        result.multiple = try node.member("pad_to_multiple_of")?.integer()
        result.side = try side(node)
        return result
    }

    private static func side(_ node: JSONReader) throws(TokenizerError) -> EncodingSide {
        guard let direction = node.member("direction") else { return .right }
        guard let side = EncodingSide(rawValue: try direction.string()) else {
            throw direction.fault("\"\(try direction.string())\" is neither Left nor Right")
        }
        return side
    }
}
