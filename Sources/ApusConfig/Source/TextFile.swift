import ApusBase

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The whole text of a small file.
func readText(_ path: String) throws(FileError) -> String {
    guard let file = fopen(path, "rb") else {
        throw FileError(
            path, "cannot be opened: \(String(cString: strerror(errno)))",
            remedy: errno == ENOENT
                ? "check the path; it is relative to the current directory" : nil)
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= YAMLReader.maximumByteCount {
        let count = fread(&chunk, 1, chunk.count, file)
        if count == 0 { break }
        bytes += chunk[..<count]
    }
    guard ferror(file) == 0 else {
        throw FileError(path, "cannot be read: \(String(cString: strerror(errno)))")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
        throw FileError(
            path, "is not UTF-8 text", likelyCause: "this is not a recipe but some other file")
    }
    return text
}

/// Whether something is there, following symbolic links.
func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// Whether a path is a pattern, such as `data/*.jsonl`.
func isPattern(_ path: String) -> Bool { path.contains { "*?[".contains($0) } }

/// Whether a path is a file or folder, or a pattern that something matches.
func pathLeadsSomewhere(_ path: String) -> Bool {
    if fileExists(path) { return true }
    guard isPattern(path) else { return false }
    var matches = glob_t()
    defer { globfree(&matches) }
    return glob(path, 0, nil, &matches) == 0
}
