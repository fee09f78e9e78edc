public import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Files beside the tests.
public enum Fixture {
    /// The bytes of `Fixtures/name` in the folder of the calling test file.
    public static func bytes(_ name: String, beside file: String = #filePath) throws -> [UInt8] {
        let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return try contents(of: folder.joined(separator: "/") + "/Fixtures/" + name)
    }

    public static func json(_ name: String, beside file: String = #filePath) throws -> JSON {
        try JSON.parse(bytes(name, beside: file))
    }

    /// The bytes of any file.
    public static func contents(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "rb") else {
            throw FileError(path, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
            result += chunk.prefix(count)
        }
        return result
    }
}
