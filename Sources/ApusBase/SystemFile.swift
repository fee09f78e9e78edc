#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The small text files in which Linux tells about itself; elsewhere there are none.
package enum SystemFile {
    package static func text(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// `name : value` lines; the first of each name.
    package static func fields(_ path: String) -> [String: String] {
        var fields: [String: String] = [:]
        for line in (text(path) ?? "").split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = trimmed(line[..<colon])
            if fields[name] == nil { fields[name] = trimmed(line[line.index(after: colon)...]) }
        }
        return fields
    }

    /// The bytes that a value such as `123 kB` stands for.
    package static func kibibytes(_ value: String?) -> Int? {
        value.flatMap(firstInteger).flatMap { value in
            let (bytes, overflow) = value.multipliedReportingOverflow(by: 1024)
            return overflow ? nil : bytes
        }
    }

    package static func firstInteger(_ text: String) -> Int? {
        text.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
    }

    private static func trimmed(_ text: Substring) -> String {
        let start = text.drop(while: \.isWhitespace)
        return String(start.reversed().drop(while: \.isWhitespace).reversed())
    }
}
