internal import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The files that a path stands for: a file, all data files of a folder, or the matches of a
/// pattern with `*`, `?` or `[...]`; sorted by name.
enum DataPaths {
    static func expand(_ path: String, format: DataFormat?) throws(FileError) -> [String] {
        if FilePaths.isFile(path) { return [path] }
        if FilePaths.isFolder(path) { return try files(in: path, format: format) }
        guard path.contains(where: { "*?[".contains($0) }) else {
            throw FileError(
                path, "there is no such file or folder", likelyCause: "a mistake in the path",
                remedy: "give a file, a folder or a pattern as data/*.jsonl")
        }
        let files = try matches(path).filter { FilePaths.isFile($0) }
        guard !files.isEmpty else { throw FileError(path, "no file matches the pattern") }
        return files
    }

    private static func files(in folder: String, format: DataFormat?) throws(FileError) -> [String]
    {
        let names = try FilePaths.names(in: folder).filter { name in
            // Hidden ones are other programs' notes, as `._a.jsonl` of macOS.
            guard !name.hasPrefix("."), let known = DataFormat(path: name) else { return false }
            return format == nil || known == format
        }
        let files = names.map { FilePaths.join(folder, $0) }.filter { FilePaths.isFile($0) }
        guard !files.isEmpty else {
            throw FileError(
                folder, "the folder holds no data files",
                remedy: "files must end in .jsonl, .json, .txt, .csv or .parquet")
        }
        return files
    }

    /// `**` stands for any number of folders.
    private static func matches(_ pattern: String) throws(FileError) -> [String] {
        let parts = pattern.split(separator: "/", omittingEmptySubsequences: false)
        guard let place = parts.firstIndex(of: "**") else { return plainMatches(pattern) }
        let rest = parts[(place + 1)...].joined(separator: "/")
        let start = parts[..<place].joined(separator: "/")
        let isRoot = place == 1 && start.isEmpty
        let folders = place == 0 ? ["."] : isRoot ? ["/"] : plainMatches(start)
        var found: Set<String> = []
        for folder in folders {
            for inner in try below(folder) {
                found.formUnion(try matches(rest.isEmpty ? inner : FilePaths.join(inner, rest)))
            }
        }
        return found.sorted()
    }

    /// A folder and all folders inside it, without hidden ones and without following links.
    private static func below(_ folder: String) throws(FileError) -> [String] {
        guard FilePaths.isFolder(folder) else { return [] }
        var folders = [folder]
        for name in try FilePaths.names(in: folder) where !name.hasPrefix(".") {
            let path = folder == "." ? name : FilePaths.join(folder, name)
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
            folders += try below(path)
        }
        return folders
    }

    private static func plainMatches(_ pattern: String) -> [String] {
        var result = glob_t()
        defer { globfree(&result) }
        guard glob(pattern, 0, nil, &result) == 0 else { return [] }
        return (0..<Int(result.gl_pathc)).compactMap { index in
            result.gl_pathv[index].map { String(cString: $0) }
        }
    }
}
