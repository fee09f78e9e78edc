internal import ApusBase
internal import ApusFormats

/// A folder that appears under its name when everything in it is written and durable; what is there
/// already is never touched.
struct NewFolder {
    private let path: String
    private let storage: any CheckpointStorage

    /// - Throws: where something other than an empty folder has the name
    init(_ path: String, _ storage: any CheckpointStorage) throws(FileError) {
        self.path = path.lastIndex { $0 != "/" }.map { String(path[...$0]) } ?? path
        self.storage = storage
        guard !path.isEmpty else {
            throw FileError("''", "is no name of a folder", remedy: "name the folder to write")
        }
        var isTaken = FilePaths.isFile(self.path)
        if FilePaths.isFolder(path) { isTaken = try !FilePaths.names(in: path).isEmpty }
        if isTaken {
            throw FileError(
                self.path, "is there already", remedy: "choose another name, or remove it first")
        }
    }

    /// - bytes: that will be written
    /// - what: for the message that they do not fit: "the checkpoint"
    /// - body: writes and syncs files in the folder that it is given
    func fill(
        with what: String, bytes: Int, _ body: (_ folder: String) throws -> Void
    ) throws {
        let folder = path + CheckpointNames.saving
        let parent = FilePaths.folder(of: path)
        try FilePaths.createFolder(parent)
        try FreeSpace.check(parent, for: what, needs: bytes)
        if FilePaths.isFolder(folder) { try storage.removeTree(folder) }
        try storage.createFolder(folder)
        do {
            try body(folder)
        } catch {
            // What went wrong first is what matters; a rest is removed by the next attempt.
            try? storage.removeTree(folder)
            throw error
        }
        try storage.syncFolder(folder)
        try storage.rename(folder, to: path)
        try storage.syncFolder(parent)
    }
}
