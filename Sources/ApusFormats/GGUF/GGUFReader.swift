internal import ApusBase

/// A cursor over the header of a GGUF file. Every count is checked against the bytes that are left
/// before anything is allocated for it.
struct GGUFReader {
    let bytes: UnsafeRawBufferPointer
    let path: String
    private(set) var position = 0

    /// Arrays of arrays of arrays: more is no honest file.
    static let arrayDepthLimit = 4
    static let dimensionLimit = 4

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    var remaining: Int { bytes.count - position }

    func fault(_ problem: String, at offset: Int? = nil) -> FileError {
        FileError(
            path, at: .offset(offset ?? position), problem,
            likelyCause: "the file was cut off, damaged, or is no GGUF file",
            remedy: "download or write the file again")
    }

    /// The bytes of one number, little-endian as all GGUF files read here.
    mutating func number<Number: FixedWidthInteger>(
        _ type: Number.Type, _ what: String
    ) throws(FileError) -> Number {
        let size = MemoryLayout<Number>.size
        guard remaining >= size else { throw fault("the file ends inside \(what)") }
        let value = bytes.loadUnaligned(fromByteOffset: position, as: Number.self)
        position += size
        return Number(littleEndian: value)
    }

    /// A count of things of which each takes at least `minimum` bytes.
    mutating func count(_ what: String, minimum: Int) throws(FileError) -> Int {
        let start = position
        let count = try number(UInt64.self, what)
        guard count <= UInt64(remaining / minimum) else {
            throw fault("\(what) is \(count), more than the rest of the file can hold", at: start)
        }
        return Int(count)
    }

    mutating func string(_ what: String) throws(FileError) -> String {
        let length = try count("the length of \(what)", minimum: 1)
        let raw = UnsafeRawBufferPointer(rebasing: bytes[position..<(position + length)])
        guard let string = String(validating: raw, as: UTF8.self) else {
            throw fault("\(what) is not valid UTF-8")
        }
        position += length
        return string
    }

    mutating func value(of key: String) throws(FileError) -> GGUFValue {
        let start = position
        let type = try number(UInt32.self, "the type of \"\(key)\"")
        switch type {
        case 0: return .uint8(try number(UInt8.self, key))
        case 1: return .int8(try number(Int8.self, key))
        case 2: return .uint16(try number(UInt16.self, key))
        case 3: return .int16(try number(Int16.self, key))
        case 4: return .uint32(try number(UInt32.self, key))
        case 5: return .int32(try number(Int32.self, key))
        case 6: return .float32(Float(bitPattern: try number(UInt32.self, key)))
        case 7: return .bool(try bool(key))
        case 8: return .string(try string("\"\(key)\""))
        case 9: return .array(try array(of: key, depth: 1))
        case 10: return .uint64(try number(UInt64.self, key))
        case 11: return .int64(try number(Int64.self, key))
        case 12: return .float64(Double(bitPattern: try number(UInt64.self, key)))
        default: throw fault("\"\(key)\" has the unknown type \(type)", at: start)
        }
    }

    private mutating func bool(_ what: String) throws(FileError) -> Bool {
        let start = position
        let byte = try number(UInt8.self, what)
        guard byte <= 1 else {
            throw fault("\"\(what)\" is \(byte), neither false nor true", at: start)
        }
        return byte == 1
    }

    private mutating func array(of key: String, depth: Int) throws(FileError) -> GGUFArray {
        let start = position
        guard depth <= Self.arrayDepthLimit else {
            throw fault("\"\(key)\" nests arrays deeper than \(Self.arrayDepthLimit)")
        }
        let type = try number(UInt32.self, "the element type of \"\(key)\"")
        switch type {
        case 0: return .uint8(try numbers(key))
        case 1: return .int8(try numbers(key))
        case 2: return .uint16(try numbers(key))
        case 3: return .int16(try numbers(key))
        case 4: return .uint32(try numbers(key))
        case 5: return .int32(try numbers(key))
        case 6: return .float32(try numbers(key).map { Float(bitPattern: $0) })
        case 7:
            return .bool(try elements(key, minimum: 1) { r throws(FileError) in try r.bool(key) })
        case 8:
            return .string(
                try elements(key, minimum: 8) { r throws(FileError) in
                    try r.string("an element of \"\(key)\"")
                })
        case 9:
            return .array(
                try elements(key, minimum: 12) { r throws(FileError) in
                    try r.array(of: key, depth: depth + 1)
                })
        case 10: return .uint64(try numbers(key))
        case 11: return .int64(try numbers(key))
        case 12: return .float64(try numbers(key).map { Double(bitPattern: $0) })
        default: throw fault("\"\(key)\" has elements of the unknown type \(type)", at: start)
        }
    }

    /// Numbers stand side by side: one copy.
    private mutating func numbers<Number: FixedWidthInteger>(
        _ key: String
    ) throws(FileError) -> [Number] {
        let size = MemoryLayout<Number>.size
        let count = try count("the length of \"\(key)\"", minimum: size)
        let source = UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count * size)])
        position += source.count
        var numbers = [Number](unsafeUninitializedCapacity: count) { buffer, initialized in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
            initialized = count
        }
        if 1.littleEndian != 1 { numbers = numbers.map { Number(littleEndian: $0) } }
        return numbers
    }

    private mutating func elements<Element>(
        _ key: String, minimum: Int, one: (inout GGUFReader) throws(FileError) -> Element
    ) throws(FileError) -> [Element] {
        let count = try count("the length of \"\(key)\"", minimum: minimum)
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try one(&self)) }
        return elements
    }
}
