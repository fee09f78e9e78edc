internal import ApusBase
internal import ApusFormats

/// All that one rank hands over for a checkpoint.
public struct CheckpointContent {
    /// Optimizer steps that were taken; the same on all ranks.
    public var step: Int
    /// What the best checkpoint is chosen by.
    public var metric: Double?
    /// Together the slices of all ranks are every tensor of the state.
    public var slices: [StateSlice]
    /// Texts that this rank writes; names differ between ranks.
    public var documents: [CheckpointDocument]
    /// A checkpoint that is kept whatever the limit says: the best one.
    public var sparedStep: Int?

    public init(
        step: Int, metric: Double? = nil, slices: [StateSlice], documents: [CheckpointDocument],
        sparedStep: Int? = nil
    ) {
        self.step = step
        self.metric = metric
        self.slices = slices
        self.documents = documents
        self.sparedStep = sparedStep
    }
}

/// Saves checkpoints as transactions of all ranks: a checkpoint is there whole, or not at all.
///
/// Every rank calls the same functions in the same order. Saved in the background, training goes on
/// after a copy in memory; then ``poll()`` at every step boundary moves the save along. What fails
/// is thrown on all ranks by whatever is called next; the state in memory is untouched by it.
public final class CheckpointSaver {
    public struct Options: Sendable {
        public var retention = Retention()
        public var isAsynchronous = false

        public init() {}
    }

    private let directory: CheckpointDirectory
    private let peers: any CheckpointPeers
    private let options: Options
    private let copy = HostCopy()
    private var pending: PendingSave?
    /// The newest complete checkpoint of this run.
    public private(set) var lastSaved: String?

    public init(
        _ directory: CheckpointDirectory, peers: any CheckpointPeers, options: Options = Options()
    ) {
        self.directory = directory
        self.peers = peers
        self.options = options
    }

    /// Makes what a save in the background needs while training begins, so that the first such save
    /// stops it no longer than the others.
    ///
    /// - sliceBytes: of the slices of this rank's share, or a little more
    public func prepare(sliceBytes: [Int]) {
        guard options.isAsynchronous else { return }
        copy.prepare(byteCount: sliceBytes.reduce(0) { $0 + HostCopy.room(for: $1) })
    }

    /// Saves, or begins to; a save that is still under way is waited for first.
    public func save(_ content: CheckpointContent) throws {
        try finish()
        let share = content.slices.ownShare
        let save = try begin(content, bytes: share.reduce(0) { $0 + $1.memory.count })
        pending = save
        let writer = PartWriter(
            folder: save.folder, id: save.id, rank: peers.rank, rankCount: peers.worldSize,
            storage: directory.storage)
        let documents = content.documents
        if options.isAsynchronous {
            copy.fill(from: share, threads: Checkpoint.threads(ranks: peers.worldSize))
            let copy = copy
            save.task = BackgroundTask {
                .part { try writer.write(copy.slices.map(PartSlice.init), documents) }
            }
        } else {
            save.status = .part { try writer.write(share.map(PartSlice.init), documents) }
            try finish()
        }
    }

    /// Moves a save in the background along, without waiting for the disk.
    public func poll() throws {
        guard pending != nil else { return }
        try advance(waits: false)
    }

    /// Returns when no save is under way any more.
    public func finish() throws {
        while pending != nil { try advance(waits: true) }
    }

    /// Checks the space and makes the folder; tells all ranks its name.
    private func begin(_ content: CheckpointContent, bytes: Int) throws -> PendingSave {
        let name = CheckpointNames.checkpoint(content.step)
        let folder = FilePaths.join(directory.path, name + CheckpointNames.saving)
        let claims = try peers.gather { [.integer(content.step), .integer(bytes)] }
        let steps = Set(claims.compactMap { $0.arrayValue?.first?.intValue })
        guard steps.count == 1 else {
            throw CheckpointError("the ranks save different steps: \(steps.sorted())")
        }
        let total = claims.reduce(0) { $0 + ($1.arrayValue?.last?.intValue ?? 0) }
        let id = try peers.onFirstRank {
            try FreeSpace.check(directory.path, for: name, needs: total)
            if FilePaths.isFolder(folder) { try directory.storage.removeTree(folder) }
            try directory.storage.createFolder(folder)
            return .string(UInt64.random(in: 0...UInt64.max).hex)
        }
        return PendingSave(folder: folder, id: id.stringValue ?? "", content)
    }

    private func advance(waits: Bool) throws {
        guard let save = pending else { return }
        let own = save.currentStatus(waits: waits)
        let statuses = try peers.gather(own.bytes).map { try SaveTransaction.Status($0) }
        switch save.transaction.handle(statuses) {
        case .wait: return
        case .commit(let parts): startCommit(save, parts)
        case .finish:
            pending = nil
            lastSaved = String(save.folder.dropLast(CheckpointNames.saving.count))
        case .discard(let failure), .abandon(let failure):
            pending = nil
            // Should this fail too, the next start clears up; the first failure is the one to tell.
            _ = Result { try directory.discard(save.folder, peers) }
            throw failure.error
        }
    }

    /// Rank 0 alone has something to do; the others are done at once.
    private func startCommit(_ save: PendingSave, _ parts: [PartReport]) {
        save.task = nil
        save.status = .done(.null)
        guard peers.rank == 0 else { return }
        let commit = CommitWork(
            folder: save.folder, id: save.id, step: save.step, metric: save.metric, parts: parts,
            retention: options.retention, sparedStep: save.sparedStep,
            directory: directory.path, storage: directory.storage)
        if options.isAsynchronous {
            save.status = nil
            save.task = BackgroundTask { commit.status }
        } else {
            save.status = commit.status
        }
    }
}

/// A save that is under way.
private final class PendingSave {
    let folder: String
    let id: String
    let step: Int
    let metric: Double?
    let sparedStep: Int?
    var transaction = SaveTransaction()
    /// The present task's result, or the task.
    var status: SaveTransaction.Status?
    var task: BackgroundTask<SaveTransaction.Status>?

    init(folder: String, id: String, _ content: CheckpointContent) {
        self.folder = folder
        self.id = id
        step = content.step
        metric = content.metric
        sparedStep = content.sparedStep
    }

    func currentStatus(waits: Bool) -> SaveTransaction.Status {
        if let status { return status }
        guard let task else { preconditionFailure("a save without a task") }
        return waits ? task.wait() : task.value ?? .busy
    }
}

/// What rank 0 does once every part is on the disk.
private struct CommitWork: Sendable {
    let folder: String
    let id: String
    let step: Int
    let metric: Double?
    let parts: [PartReport]
    let retention: Retention
    let sparedStep: Int?
    let directory: String
    let storage: any CheckpointStorage

    var status: SaveTransaction.Status {
        do {
            try run()
            return .done(.null)
        } catch {
            return .failed("\(error)")
        }
    }

    private func run() throws {
        let manifest = try Manifest(id: id, step: step, metric: metric, parts: parts)
        let path = FilePaths.join(folder, CheckpointNames.manifest)
        try storage.write(Array(manifest.text.utf8), to: path)
        try storage.syncFolder(folder)
        let saving = FilePaths.name(of: folder)
        let there = try CheckpointDirectory.steps(in: directory)
        let expired = retention.expired(there, newest: step, spared: sparedStep)
        let steps = Commit.steps(
            saving: saving, exists: there.contains(step),
            expired: expired.map { CheckpointNames.checkpoint($0) })
        try FolderChanges(folder: directory, storage: storage).perform(steps)
    }
}

extension SaveTransaction.Status {
    fileprivate static func part(_ write: () throws -> PartReport) -> Self {
        do {
            return .done(try write().json)
        } catch {
            return .failed("\(error)")
        }
    }
}
