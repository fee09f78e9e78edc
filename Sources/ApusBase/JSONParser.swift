#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Text that is not JSON, with the byte offset of the first fault.
public struct JSONSyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
    public let offset: Int
    public let problem: String
    public var description: String { "offset \(offset): \(problem)" }
}

extension JSON {
    /// Parses strict JSON (RFC 8259) in UTF-8; also accepts `NaN`, `Infinity` and `-Infinity`,
    /// which Python writes. Duplicate keys and nesting deeper than 512 are errors.
    public static func parse(_ bytes: UnsafeRawBufferPointer) throws(JSONSyntaxError) -> JSON {
        var parser = JSONParser(bytes: bytes)
        return try parser.document()
    }

    public static func parse(_ text: String) throws(JSONSyntaxError) -> JSON {
        try parse(Array(text.utf8))
    }

    public static func parse(_ bytes: [UInt8]) throws(JSONSyntaxError) -> JSON {
        let result: Result<JSON, JSONSyntaxError> = bytes.withUnsafeBytes { raw in
            do throws(JSONSyntaxError) {
                return .success(try parse(raw))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// Recursive descent over bytes; the depth limit bounds the stack on hostile input.
private struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    var position = 0
    var depth = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    static let depthLimit = 512

    mutating func document() throws(JSONSyntaxError) -> JSON {
        skipSpace()
        let value = try value()
        skipSpace()
        if position < bytes.count { throw fault("text after the end of the document") }
        return value
    }

    func fault(_ problem: String) -> JSONSyntaxError {
        JSONSyntaxError(offset: position, problem: problem)
    }

    func peek() -> UInt8 { position < bytes.count ? bytes[position] : 0 }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    mutating func value() throws(JSONSyntaxError) -> JSON {
        guard position < bytes.count else {
            throw fault("the text ends where a value should stand")
        }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "N"): return try word("NaN", .number(.nan))
        case UInt8(ascii: "I"): return try word("Infinity", .number(.infinity))
        default: return try number()
        }
    }

    mutating func word(_ text: StaticString, _ value: JSON) throws(JSONSyntaxError) -> JSON {
        let length = text.utf8CodeUnitCount
        guard position + length <= bytes.count,
            memcmp(bytes.baseAddress! + position, text.utf8Start, length) == 0
        else { throw fault("not a JSON value") }
        position += length
        return value
    }

    mutating func enter() throws(JSONSyntaxError) {
        depth += 1
        if depth > Self.depthLimit { throw fault("nested deeper than \(Self.depthLimit) levels") }
        position += 1
        skipSpace()
    }

    mutating func object() throws(JSONSyntaxError) -> JSONObject {
        var members = JSONObject()
        try enter()
        defer { depth -= 1 }
        if peek() == UInt8(ascii: "}") {
            position += 1
            return members
        }
        while true {
            guard peek() == UInt8(ascii: "\"") else {
                throw fault("a key in quotes should stand here")
            }
            let start = position
            let key = try string()
            if members[key] != nil {
                position = start
                throw fault("the key \"\(key)\" appears twice")
            }
            skipSpace()
            guard peek() == UInt8(ascii: ":") else { throw fault("a colon should stand here") }
            position += 1
            skipSpace()
            members[key] = try value()
            skipSpace()
            if try !more(closing: UInt8(ascii: "}")) { return members }
        }
    }

    mutating func array() throws(JSONSyntaxError) -> [JSON] {
        var elements: [JSON] = []
        try enter()
        defer { depth -= 1 }
        if peek() == UInt8(ascii: "]") {
            position += 1
            return elements
        }
        while true {
            elements.append(try value())
            skipSpace()
            if try !more(closing: UInt8(ascii: "]")) { return elements }
        }
    }

    /// After an element: true after a comma, false after the closing bracket.
    mutating func more(closing: UInt8) throws(JSONSyntaxError) -> Bool {
        guard position < bytes.count else { throw fault("the text ends inside an array or object") }
        let byte = bytes[position]
        if byte == closing {
            position += 1
            return false
        }
        guard byte == UInt8(ascii: ",") else {
            throw fault("a comma or '\(Character(UnicodeScalar(closing)))' should stand here")
        }
        position += 1
        skipSpace()
        return true
    }
}

extension JSONParser {
    mutating func number() throws(JSONSyntaxError) -> JSON {
        let start = position
        var isInteger = true
        if peek() == UInt8(ascii: "-") { position += 1 }
        if peek() == UInt8(ascii: "I") {
            _ = try word("Infinity", .null)
            return .number(-.infinity)
        }
        let firstDigit = position
        try digits()
        if bytes[firstDigit] == UInt8(ascii: "0"), position > firstDigit + 1 {
            position = firstDigit
            throw fault("a number must not begin with 0")
        }
        if peek() == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            try digits()
        }
        if peek() | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position += 1
            if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int(text) { return .integer(value) }
        guard let value = Double(text) else {
            position = start
            throw fault("not a number: \(text)")
        }
        return .number(value)
    }

    private mutating func digits() throws(JSONSyntaxError) {
        let start = position
        while position < bytes.count, bytes[position] &- 0x30 < 10 { position += 1 }
        if position == start { throw fault("not a JSON value") }
    }

    mutating func string() throws(JSONSyntaxError) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let text = try text(start..<position)
                position += 1
                return text
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
            if byte < 0x20 { throw fault("a control character inside a string") }
            position += 1
        }
        throw fault("the text ends inside a string")
    }

    /// Python and JavaScript may write lone surrogates as escapes; raw bytes must be valid UTF-8.
    private func text(_ range: Range<Int>) throws(JSONSyntaxError) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw JSONSyntaxError(
                offset: range.lowerBound, problem: "a string that is not valid UTF-8")
        }
        return text
    }

    private mutating func escapedString(from start: Int) throws(JSONSyntaxError) -> String {
        var result = try text(start..<position)
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return result
            }
            if byte == UInt8(ascii: "\\") {
                result.unicodeScalars.append(try escape())
                continue
            }
            let run = position
            while position < bytes.count, bytes[position] != UInt8(ascii: "\""),
                bytes[position] != UInt8(ascii: "\\")
            {
                if bytes[position] < 0x20 { throw fault("a control character inside a string") }
                position += 1
            }
            result += try text(run..<position)
        }
        throw fault("the text ends inside a string")
    }

    private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
        position += 1
        let byte = peek()
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default:
            position -= 1
            throw fault("an unknown escape")
        }
    }

    private mutating func unicodeEscape() throws(JSONSyntaxError) -> Unicode.Scalar {
        let unit = try hex4()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        if unit < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        {
            let afterHigh = position
            position += 2
            let low = try hex4()
            if low >= 0xDC00, low <= 0xDFFF {
                return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))!
            }
            position = afterHigh
        }
        return "\u{FFFD}"
    }

    private mutating func hex4() throws(JSONSyntaxError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(UnicodeScalar(peek())).hexDigitValue else {
                throw fault("four hexadecimal digits should follow \\u")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}
