public import ApusBase
internal import ApusFormats

/// A folder in which a run keeps its checkpoints. While it is open, no other job may save there.
public final class CheckpointDirectory {
    public let path: String
    let storage: any CheckpointStorage
    private let lock: FolderLock?
    /// Leftovers of a killed run that were dealt with, in words.
    public let recovered: [String]

    /// Opens the folder and clears up what a killed run left. All ranks together; the folder is
    /// one that they share.
    ///
    /// - Throws: when another job uses the folder or it cannot be written to
    public init(
        _ path: String, peers: any CheckpointPeers, storage: any CheckpointStorage = DiskStorage()
    ) throws {
        var lock: FolderLock?
        let notes = try peers.onFirstRank {
            try FilePaths.createFolder(path)
            lock = try FolderLock(path)
            return .array(try Self.recover(path, storage).map { .string($0) })
        }
        self.path = path
        self.storage = storage
        self.lock = lock
        recovered = (notes.arrayValue ?? []).compactMap(\.stringValue)
    }

    /// Throws when another job saves its checkpoints in a folder, before anything is written there.
    public static func checkFree(_ path: String) throws(FileError) {
        if FilePaths.isFolder(path) { _ = try FolderLock(path) }
    }

    /// Removes what a failed save left.
    func discard(_ folder: String, _ peers: any CheckpointPeers) throws {
        _ = try peers.onFirstRank {
            if FilePaths.isFolder(folder) { try storage.removeTree(folder) }
            return .null
        }
    }

    private static func recover(
        _ path: String, _ storage: any CheckpointStorage
    ) throws(FileError) -> [String] {
        let steps = Commit.recovery(try FilePaths.names(in: path)) { name in
            Checkpoint.isComplete(FilePaths.join(path, name))
        }
        try FolderChanges(folder: path, storage: storage).perform(steps)
        return steps.compactMap { step in
            switch step {
            case .rename(let old, let new) where old.hasSuffix(CheckpointNames.saving):
                "\(new) was complete but for its name"
            case .remove(let name) where name.hasSuffix(CheckpointNames.saving):
                "\(name), which a run that was killed left unfinished, was removed"
            case .rename, .remove, .sync, .seal, .announce: nil
            }
        }
    }

    /// The checkpoint to go on from: the one that `latest` names, or where that is missing the one
    /// with the most steps; nil when there is none.
    ///
    /// - Throws: when `latest` names one that is not there: never silently another
    public static func newest(in folder: String) throws(FileError) -> String? {
        guard FilePaths.isFolder(folder) else { return nil }
        let steps = try steps(in: folder)
        let file = FilePaths.join(folder, CheckpointNames.latest)
        guard FilePaths.isFile(file) else {
            return steps.last.map { FilePaths.join(folder, CheckpointNames.checkpoint($0)) }
        }
        let text = try MappedFile(path: file).withBytes { String(decoding: $0, as: UTF8.self) }
        let name = String(text.prefix { $0 != "\n" })
        guard let step = CheckpointNames.step(of: name), steps.contains(step) else {
            let others = steps.suffix(3).map { CheckpointNames.checkpoint($0) }
            throw FileError(
                file, "names '\(name)', which is not there",
                likelyCause: "the checkpoint was deleted or moved",
                remedy: others.isEmpty
                    ? "restore it, or remove this file to begin anew"
                    : "restore it, or resume from \(others.joined(separator: ", ")) by name")
        }
        return FilePaths.join(folder, name)
    }

    /// The steps of the checkpoints in a folder, ascending.
    public static func steps(in folder: String) throws(FileError) -> [Int] {
        try FilePaths.names(in: folder).compactMap { CheckpointNames.step(of: $0) }.sorted()
    }

    /// The checkpoint of a step; nil where it is not here.
    public func checkpoint(_ step: Int) throws(FileError) -> String? {
        guard try Self.steps(in: path).contains(step) else { return nil }
        return FilePaths.join(path, CheckpointNames.checkpoint(step))
    }
}
