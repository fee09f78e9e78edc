internal import ApusBase
internal import ApusCheckpoint
internal import ApusComm
internal import ApusConfig
internal import ApusData
internal import ApusFormats
internal import ApusModels

/// The checkpoint that a run goes on from.
struct ResumePoint {
    let checkpoint: Checkpoint
    let trainer: TrainerState

    /// Finds it as the recipe wishes; nil to begin anew.
    ///
    /// - Throws: when a wished-for checkpoint is not there, or damaged
    init?(_ settings: CheckpointSettings, outputDirectory: String) throws {
        guard let path = try Self.path(settings.resumeWish, outputDirectory) else { return nil }
        let checks: CheckpointChecks = settings.resumeChecks == .hashes ? .hashes : .sizes
        checkpoint = try Checkpoint(path: path, checks: checks)
        guard let text = try checkpoint.document(CheckpointNames.trainer) else {
            throw FileError(
                path, "has no \(CheckpointNames.trainer)",
                likelyCause: "it was written by a program of its own, not by 'apus train'",
                remedy: "export its weights, and train from those")
        }
        trainer = try TrainerState(
            text: text, path: FilePaths.join(path, CheckpointNames.trainer))
    }

    private static func path(_ wish: ResumeWish, _ outputDirectory: String) throws -> String? {
        switch wish {
        case .never: return nil
        case .ifThere: return try CheckpointDirectory.newest(in: outputDirectory)
        case .must:
            guard let path = try CheckpointDirectory.newest(in: outputDirectory) else {
                throw CheckpointError(
                    "'resume: must', but \(outputDirectory) holds no checkpoint",
                    likelyCause: "another output_dir, or nothing was saved yet",
                    remedy: "check output_dir, or set 'resume: auto' to begin anew")
            }
            return path
        case .from(let path):
            if Checkpoint.isCheckpoint(path) { return path }
            guard let newest = try CheckpointDirectory.newest(in: path) else {
                throw CheckpointError(
                    "'resume: \(path)', but there is no checkpoint",
                    likelyCause: "a misspelt path, or the checkpoint was removed",
                    remedy: "give a checkpoint such as out/checkpoint-100, or the folder with it")
            }
            return newest
        }
    }

    /// How an adapter began that data has begun.
    func adapterStart() throws -> AdapterStart {
        let path = FilePaths.join(checkpoint.path, CheckpointNames.trainer)
        guard let json = trainer.adapter else {
            throw FileError(
                path, "does not say how data began the adapter",
                likelyCause: "another peft_init_lora_weights when the run began",
                remedy: "restore the recipe, or begin anew (resume: none)")
        }
        return try AdapterStart(inCheckpoint: LoRAConfiguration(json: json, path: path))
    }

    /// The newest that was there is of another program, which keeps no place in the data.
    var isForeign: Bool { trainer.data == nil }

    /// What the checkpoint's recipe says otherwise, of what decides the numbers.
    func differences(from resolved: ResolvedRecipe) throws -> [String] {
        guard let text = try checkpoint.document(CheckpointNames.recipe) else { return [] }
        let ignored = [
            "output_dir", "ranks", "threads_per_rank", "logging_steps", "resume", "resume_checks",
            "resume_from_checkpoint", "auto_resume_from_checkpoints", "sharding",
            "sharding_group_size", "eval_batch_size",
        ]
        let old = try JSON.parse(text)["settings"]?.objectValue ?? JSONObject()
        let new = resolved.json["settings"]?.objectValue ?? JSONObject()
        return new.members.compactMap { key, value in
            let isOther = old[key] != value
            guard isOther, !ignored.contains(key), !key.hasPrefix("save") else { return nil }
            return "\(key) \(old[key]?.text() ?? "nothing") -> \(value.text())"
        }
    }
}
