public import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The few questions about paths that reading and writing models needs.
public enum FilePaths {
    public static func join(_ folder: String, _ name: String) -> String {
        if folder.isEmpty || name.hasPrefix("/") { return name }
        return folder.hasSuffix("/") ? folder + name : folder + "/" + name
    }

    /// The path without its last component; `.` for a bare name.
    public static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    public static func name(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return path }
        return String(path[path.index(after: slash)...])
    }

    public static func isFolder(_ path: String) -> Bool { kind(path) == S_IFDIR }

    public static func isFile(_ path: String) -> Bool { kind(path) == S_IFREG }

    private static func kind(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    /// Whether two paths lead to the same file or folder; false where one of them is missing.
    public static func isSame(_ first: String, _ second: String) -> Bool {
        var (one, other) = (stat(), stat())
        return stat(first, &one) == 0 && stat(second, &other) == 0
            && one.st_ino == other.st_ino && one.st_dev == other.st_dev
    }

    /// The names in a folder, sorted by their bytes, without `.` and `..`.
    public static func names(in folder: String) throws(FileError) -> [String] {
        guard let stream = opendir(folder) else {
            throw FileError.system(folder, "list the folder", code: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let item = readdir(stream) {
            let name = withUnsafeBytes(of: &item.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Makes the folder and those above it.
    public static func createFolder(_ path: String) throws(FileError) {
        if path.isEmpty || isFolder(path) { return }
        let above = folder(of: path)
        if above != path { try createFolder(above) }
        if mkdir(path, 0o755) != 0, errno != EEXIST {
            throw FileError.system(path, "make the folder", code: errno)
        }
    }

    public static func remove(_ path: String) throws(FileError) {
        guard unlink(path) == 0 else {
            throw FileError.system(path, "remove the file", code: errno)
        }
    }
}
