internal import ApusBase
internal import ApusFormats
internal import CApusHost

/// What a hub knows a file by: the hash of a large file's content, or that of a small one as git
/// hashes it. Blobs in the cache are named by it.
enum FileDigest: Hashable {
    case sha256(String)
    case git(String)

    var text: String {
        switch self {
        case .sha256(let text), .git(let text): text
        }
    }

    var isWellFormed: Bool {
        let length = if case .sha256 = self { 64 } else { 40 }
        return text.utf8.count == length && text.allSatisfy { $0.isASCII && $0.isHexDigit }
    }

    /// Whether the file has this content. Throws when it cannot be read.
    func fits(_ path: String) throws(FileError) -> Bool {
        let file = try MappedFile(path: path)
        return file.withBytes { bytes in
            var digest = apus_digest()
            switch self {
            case .sha256(let expected):
                apus_sha256_begin(&digest)
                apus_sha256_add(&digest, bytes.baseAddress, bytes.count)
                var result = [UInt8](repeating: 0, count: 32)
                apus_sha256_end(&digest, &result)
                return Self.hexadecimal(result) == expected
            case .git(let expected):
                apus_sha1_begin(&digest)
                let header = Array("blob \(bytes.count)\0".utf8)
                apus_sha1_add(&digest, header, header.count)
                apus_sha1_add(&digest, bytes.baseAddress, bytes.count)
                var result = [UInt8](repeating: 0, count: 20)
                apus_sha1_end(&digest, &result)
                return Self.hexadecimal(result) == expected
            }
        }
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
