internal import ApusBase
internal import ApusFormats

/// One change of the folder with the checkpoints.
enum FolderStep: Sendable, Hashable {
    case rename(String, to: String)
    /// Makes the names so far durable.
    case sync
    /// Makes the manifest of a folder durable, and the names in it.
    case seal(String)
    /// Lets `latest` name a checkpoint.
    case announce(String)
    /// Removes a folder with everything in it.
    case remove(String)
}

/// The order in which a complete checkpoint gets its name and old ones go: as data.
enum Commit {
    /// - saving: the complete folder, synced
    /// - exists: whether a checkpoint of the same name is there, of a run that was taken up earlier
    /// - expired: checkpoints that the new one makes superfluous
    static func steps(saving: String, exists: Bool, expired: [String]) -> [FolderStep] {
        let name = String(saving.dropLast(CheckpointNames.saving.count))
        let aside = name + CheckpointNames.deleting
        var steps: [FolderStep] = exists ? [.rename(name, to: aside)] : []
        steps += [.rename(saving, to: name), .sync, .announce(name)]
        if exists { steps.append(.remove(aside)) }
        for old in expired where old != name {
            // Under its name a checkpoint is always whole.
            steps += [
                .rename(old, to: old + CheckpointNames.deleting), .sync,
                .remove(old + CheckpointNames.deleting),
            ]
        }
        return steps
    }

    /// What a killed run may have left, and what is done about it.
    ///
    /// - isComplete: whether a folder that was being saved has all that its manifest lists
    static func recovery(
        _ names: [String], isComplete: (String) -> Bool
    ) -> [FolderStep] {
        var steps: [FolderStep] = []
        let saving = names.filter { name in
            name.hasSuffix(CheckpointNames.saving)
                && CheckpointNames.step(of: String(name.dropLast(CheckpointNames.saving.count)))
                    != nil
        }
        for name in saving where !isComplete(name) { steps.append(.remove(name)) }
        for name in saving where isComplete(name) {
            let final = String(name.dropLast(CheckpointNames.saving.count))
            let isThere = names.contains(final)
            // Something of that name may have been set aside already.
            let aside = final + CheckpointNames.deleting
            if isThere, names.contains(aside) { steps.append(.remove(aside)) }
            steps.append(.seal(name))
            steps += Self.steps(saving: name, exists: isThere, expired: [])
        }
        let removed = steps.compactMap { if case .remove(let name) = $0 { name } else { nil } }
        for name in names where name.hasSuffix(CheckpointNames.deleting) {
            let isOurs =
                CheckpointNames.step(of: String(name.dropLast(CheckpointNames.deleting.count)))
                != nil
            if isOurs, !removed.contains(name) { steps.append(.remove(name)) }
        }
        return steps
    }
}

/// Carries steps out in a folder.
struct FolderChanges {
    let folder: String
    let storage: any CheckpointStorage

    func perform(_ steps: [FolderStep]) throws(FileError) {
        for step in steps {
            switch step {
            case .rename(let old, let new): try storage.rename(path(old), to: path(new))
            case .sync: try storage.syncFolder(folder)
            case .seal(let name):
                try storage.syncFile(FilePaths.join(path(name), CheckpointNames.manifest))
                try storage.syncFolder(path(name))
            case .announce(let name): try announce(name)
            case .remove(let name): try storage.removeTree(path(name))
            }
        }
    }

    private func announce(_ name: String) throws(FileError) {
        let partial = path(CheckpointNames.latestPartial)
        if FilePaths.isFile(partial) { try storage.removeFile(partial) }
        try storage.write(Array("\(name)\n".utf8), to: partial)
        try storage.rename(partial, to: path(CheckpointNames.latest))
        try storage.syncFolder(folder)
    }

    private func path(_ name: String) -> String { FilePaths.join(folder, name) }
}
