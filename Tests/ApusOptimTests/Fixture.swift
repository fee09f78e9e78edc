import ApusBase
import Glibc
import Testing

/// A committed JSON file beside these tests.
func fixture(_ name: String, file: String = #filePath) throws -> JSON {
    let folder = file.split(separator: "/").dropLast().joined(separator: "/")
    let path = "/\(folder)/Fixtures/\(name)"
    let stream = try #require(fopen(path, "rb"), "cannot open \(path)")
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&chunk, 1, chunk.count, stream)
        if count == 0 { break }
        bytes += chunk[..<count]
    }
    return try JSON.parse(bytes)
}

extension JSON {
    func floats() throws -> [Float] {
        try #require(arrayValue).map { Float(try #require($0.doubleValue)) }
    }

    func number(_ key: String) throws -> Double { try #require(self[key]?.doubleValue) }

    func ints(_ key: String) throws -> [Int] {
        try #require(self[key]?.arrayValue).map { try #require($0.intValue) }
    }
}
