internal import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The folder of one model in the cache that `huggingface_hub` shares between programs: `refs` name
/// commits, `snapshots` hold a folder a commit, whose files are links into `blobs`.
struct HubCache {
    let folder: String

    init(_ cache: String, _ model: HubName) {
        folder = FilePaths.join(cache, "models--\(model.organization)--\(model.name)")
    }

    /// What a branch or tag was when it was fetched; a whole commit is its own.
    func commit(of revision: String) -> String? {
        if Self.isCommit(revision) { return revision }
        let path = FilePaths.join(folder, "refs/" + revision)
        guard FilePaths.isFile(path), let file = try? MappedFile(path: path) else { return nil }
        let text = file.withBytes { String(decoding: $0, as: UTF8.self) }
        let commit = text.filter { !$0.isWhitespace }
        return Self.isCommit(commit) ? commit : nil
    }

    static func isCommit(_ text: String) -> Bool {
        text.utf8.count == 40 && text.allSatisfy { $0.isASCII && $0.isHexDigit }
    }

    func snapshot(_ commit: String) -> String { FilePaths.join(folder, "snapshots/" + commit) }

    func blob(_ etag: String) -> String { FilePaths.join(folder, "blobs/" + etag) }

    /// Whether a snapshot holds a configuration and all weights: others may have fetched a part.
    static func isComplete(_ snapshot: String) -> Bool {
        guard FilePaths.isFile(FilePaths.join(snapshot, "config.json")) else { return false }
        return (try? openTensors(at: snapshot)) != nil
    }

    /// Makes a snapshot's file a link to its blob, relative so that the cache can be moved.
    func link(_ name: String, of commit: String, to etag: String) throws(FileError) {
        let path = FilePaths.join(snapshot(commit), name)
        try FilePaths.createFolder(FilePaths.folder(of: path))
        let depth = name.filter { $0 == "/" }.count + 2
        let target = String(repeating: "../", count: depth) + "blobs/" + etag
        if symlink(target, path) == 0 || errno == EEXIST { return }
        throw FileError(path, "cannot be made a link: \(String(cString: strerror(errno)))")
    }

    func setReference(_ revision: String, to commit: String) throws(FileError) {
        if Self.isCommit(revision) { return }
        let path = FilePaths.join(folder, "refs/" + revision)
        try FilePaths.createFolder(FilePaths.folder(of: path))
        try OutputFile.write(commit, to: path)
    }
}

/// One process at a time: the others wait. Released when it is dropped.
final class FileLock {
    private let descriptor: Int32

    init(path: String) throws(FileError) {
        try FilePaths.createFolder(FilePaths.folder(of: path))
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else {
            throw FileError(path, "cannot be locked: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }
}
