/// Reads the `decoder` of a `tokenizer.json`.
enum DecoderReader {
    private static let keys = [
        "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"]
    ]

    static func decoder(_ node: JSONReader?) throws(TokenizerError) -> TokenDecoder {
        guard let node else { return .spaced }
        _ = try node.type("decoder", keys: keys)
        return .byteLevel
    }
}
