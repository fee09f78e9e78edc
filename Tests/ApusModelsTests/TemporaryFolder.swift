import ApusBase
import ApusFormats
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A folder for one test, removed with its files.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/apus-models-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A copy of a model folder, to be damaged.
    convenience init(copying folder: String) throws {
        try self.init()
        for name in try FilePaths.names(in: folder) where !name.hasPrefix("expected") {
            try write(name, try contents(FilePaths.join(folder, name)))
        }
    }

    deinit {
        for name in (try? FilePaths.names(in: path)) ?? [] { unlink(self / name) }
        rmdir(path)
    }

    static func / (folder: TemporaryFolder, name: String) -> String {
        FilePaths.join(folder.path, name)
    }

    // Not by OutputFile: hundreds of syncs would take long.
    func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = try #require(fopen(self / name, "w"))
        let written = fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        try #require(written == bytes.count)
    }

    func write(_ name: String, _ json: JSONObject) throws {
        try write(name, Array(JSON.object(json).text(.indented).utf8))
    }

    func remove(_ name: String) { unlink(self / name) }
}

func contents(_ path: String) throws -> [UInt8] {
    try MappedFile(path: path).withBytes { Array($0) }
}

/// The text of the file error that `body` throws; a test that gets another outcome reads so.
func failure(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch let error as FileError {
        return error.description
    } catch {
        return "another error: \(error)"
    }
}
