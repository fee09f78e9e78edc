internal import ApusFormats
internal import Testing

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A folder for one test, removed with everything in it.
public final class TemporaryFolder: Sendable {
    public let path: String

    /// - isFast: in memory, where there is such a place: for what syncs much
    public init(isFast: Bool = false) throws {
        let isInMemory = isFast && access("/dev/shm", W_OK) == 0
        let root = isInMemory ? "/dev/shm" : "/tmp"
        var template = Array("\(root)/apus-test-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        chmod(path, 0o755)
        for name in (try? FilePaths.names(in: path)) ?? [] {
            let member = FilePaths.join(path, name)
            if unlink(member) != 0 { remove(member) }
        }
        rmdir(path)
    }

    public static func / (folder: TemporaryFolder, name: String) -> String {
        FilePaths.join(folder.path, name)
    }

    public var names: [String] { (try? FilePaths.names(in: path)) ?? [] }

    public func text(_ name: String) throws -> String {
        try MappedFile(path: self / name).withBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// Returns the file's path.
    @discardableResult
    public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = self / name
        // Not by OutputFile: thousands of syncs would take minutes.
        let file = try #require(fopen(path, "w"))
        let written = fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        try #require(written == bytes.count)
        return path
    }

    @discardableResult
    public func write(_ name: String, _ text: String) throws -> String {
        try write(name, Array(text.utf8))
    }
}
