import ApusBase
import ApusFormats
import FileTestSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension TemporaryFolder {
    /// A copy of a model folder, to be damaged.
    convenience init(copying folder: String) throws {
        try self.init()
        for name in try FilePaths.names(in: folder) where !name.hasPrefix("expected") {
            try write(name, try contents(FilePaths.join(folder, name)))
        }
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
