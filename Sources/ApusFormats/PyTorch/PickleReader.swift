internal import ApusBase

/// A cursor over the bytes of a pickle. Every length is checked against the bytes that are left.
struct PickleReader {
    let bytes: UnsafeRawBufferPointer
    let path: String
    /// Where the pickle begins in the file, for messages.
    let base: Int
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer, path: String, base: Int) {
        self.bytes = bytes
        self.path = path
        self.base = base
    }

    func fault(_ problem: String, at offset: Int? = nil, cause: String? = nil) -> FileError {
        FileError(
            path, at: .offset(base + (offset ?? position)), problem,
            likelyCause: cause ?? "the file was cut off or damaged",
            remedy: "download or write the file again")
    }

    mutating func number<Number: FixedWidthInteger>(_ type: Number.Type) throws(FileError) -> Number
    {
        let size = MemoryLayout<Number>.size
        guard bytes.count - position >= size else {
            throw fault("the pickle ends inside a number")
        }
        defer { position += size }
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: type))
    }

    /// The next bytes, whose length is written before them as a number of this type.
    mutating func sized<Length: FixedWidthInteger>(
        by type: Length.Type
    ) throws(FileError) -> UnsafeRawBufferPointer {
        let start = position
        let length = try number(type)
        guard length >= 0, UInt64(length) <= UInt64(bytes.count - position) else {
            throw fault("\(length) bytes should follow, more than are left", at: start)
        }
        defer { position += Int(length) }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + Int(length))])
    }

    mutating func string<Length: FixedWidthInteger>(
        by type: Length.Type
    ) throws(FileError) -> String {
        let start = position
        let raw = try sized(by: type)
        guard let text = String(validating: raw, as: UTF8.self) else {
            throw fault("a string is not valid UTF-8", at: start)
        }
        return text
    }

    mutating func line() throws(FileError) -> String {
        let start = position
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else {
            throw fault("the pickle ends inside a name")
        }
        guard let text = String(validating: bytes[position..<end], as: UTF8.self) else {
            throw fault("a name is not valid UTF-8", at: start)
        }
        position = end + 1
        return text
    }
}
