import ApusFormats
import Testing

enum TestBytes {
    /// Writes bytes into the folder of another file.
    static func write(_ bytes: [UInt8], beside path: String, name: String) throws -> String {
        let path = FilePaths.join(FilePaths.folder(of: path), name)
        let file = try OutputFile(path: path)
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        try file.commit()
        return path
    }
}
