internal import ApusBase

/// Reads a `pattern`: `{"String": "..."}`, `{"Regex": "..."}` or, in some files, a bare string.
enum PatternReader {
    static func pattern(_ node: JSONReader) throws(TokenizerError) -> TextPattern {
        if let text = node.value.stringValue { return .literal(Array(text.utf8)) }
        try node.expectKeys(["Regex", "String"])
        if let text = node.member("String") { return .literal(Array(try text.string().utf8)) }
        let regex = try node.required("Regex")
        do {
            return .regex(try RegexProgram(regex.string()))
        } catch let error as RegexError {
            throw regex.fault("the pattern, at character \(error.offset): \(error.problem)")
        } catch {
            throw regex.fault("the pattern is no string")
        }
    }

    /// A string of exactly one character.
    static func scalar(_ node: JSONReader) throws(TokenizerError) -> UInt32 {
        let scalars = try node.string().unicodeScalars
        guard scalars.count == 1, let only = scalars.first else {
            throw node.fault("one character should stand here")
        }
        return only.value
    }
}
