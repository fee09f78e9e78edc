/// The printable characters that stand for bytes in the files of byte-level models: bytes that
/// print as themselves keep their character, the other 68 take U+0100 and on, in order.
///
/// Source: the encoder published with GPT-2 (Radford et al., 2019).
enum ByteAlphabet {
    /// The scalar for each byte.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            if isPrintable(byte) { return byte }
            next += 1
            return next - 1
        }
    }()

    private static let bytes: [UInt32: UInt8] = Dictionary(
        uniqueKeysWithValues: scalars.enumerated().map { ($1, UInt8($0)) })

    private static func isPrintable(_ byte: UInt32) -> Bool {
        (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
    }

    /// The bytes that a token of a vocabulary file stands for, or nil when a character is no
    /// stand-in.
    static func decode(_ token: String) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(token.utf8.count)
        for scalar in token.unicodeScalars {
            let value = scalar.value
            if value >= 0x21, value <= 0x7E {
                result.append(UInt8(value))
            } else if let byte = bytes[value] {
                result.append(byte)
            } else {
                return nil
            }
        }
        return result
    }

    /// The token as a vocabulary file writes it.
    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in bytes {
            // Every entry is below U+0144, so none is a surrogate.
            text.unicodeScalars.append(Unicode.Scalar(scalars[Int(byte)])!)
        }
        return text
    }
}
