internal import ApusBase
internal import ApusCheckpoint
internal import ApusComm
internal import ApusConfig
internal import ApusData
internal import ApusFormats
internal import ApusModels
internal import ApusTensor
internal import ApusTokenizer
internal import ApusZeRO

/// The checkpoints of one run: what it begins from and what it saves.
final class RunCheckpoints {
    private let resolved: ResolvedRecipe
    private let peers: GroupPeers
    private let events: EventStream
    private let directory: CheckpointDirectory
    private let saver: CheckpointSaver
    /// Nil for a run that begins anew.
    let start: ResumePoint?
    private var bestMetric: Double?
    /// Of this run: other checkpoints in the folder are not its own.
    private var bestSaved: (step: Int, metric: Double)?
    private var told: String?

    /// Takes the output folder for this run and finds what it begins from. All ranks together.
    init(_ resolved: ResolvedRecipe, group: any ProcessGroup, events: EventStream) throws {
        self.resolved = resolved
        self.events = events
        peers = GroupPeers(group)
        let recipe = resolved.recipe
        directory = try CheckpointDirectory(recipe.output.outputDirectory, peers: peers)
        var options = CheckpointSaver.Options()
        let settings = recipe.checkpoints
        options.isAsynchronous = settings.savesInBackground
        options.retention = Retention(limit: settings.saveTotalLimit)
        saver = CheckpointSaver(directory, peers: peers, options: options)
        start = try ResumePoint(settings, outputDirectory: recipe.output.outputDirectory)
        for note in directory.recovered { events.send(.warning(note)) }
    }

    private var settings: CheckpointSettings { resolved.recipe.checkpoints }

    /// The step after which training goes on; 0 for a run that begins anew.
    var startStep: Int { start?.trainer.step ?? 0 }

    // MARK: Beginning

    /// Restores engine, loop and generators, and reports what was restored and what was not.
    func restore(_ session: TrainingSession) throws {
        guard let start else { return }
        let engine = session.trained.engine
        let report = try engine.load(
            start.checkpoint, start.trainer, peers: peers,
            policy: start.lacksOptimizer ? .weights : .everything)
        var restored = [report.summary]
        if let data = start.trainer.data.flatMap({ DataCursor(json: $0) }) {
            try session.loop.resume(start.trainer, at: data)
            restored.append("place in the data")
        } else {
            try session.loop.resume(start.trainer, at: nil)
            events.send(
                .warning(
                    "the checkpoint keeps no place in the data and no random generators: both "
                        + "begin anew"))
        }
        session.step = start.trainer.step
        if try !start.isForeign && restoreGenerators(start) { restored.append("random generators") }
        let metric = start.checkpoint.manifest.metric
        bestMetric = start.trainer.bestMetric ?? metric
        if let step = start.trainer.bestStep, let best = start.trainer.bestStepMetric {
            bestSaved = (step, best)
        } else {
            bestSaved = metric.map { (start.trainer.step, $0) }
        }
        events.send(
            .resumed(
                step: start.trainer.step, path: start.checkpoint.path,
                restored: restored.joined(separator: ", ")))
        if start.lacksOptimizer {
            events.send(.warning("the checkpoint has no optimizer state: that begins anew"))
        }
        let differences = try start.differences(from: resolved)
        if !differences.isEmpty {
            let list = differences.joined(separator: "; ")
            events.send(.warning("the recipe is not the checkpoint's: \(list)"))
        }
    }

    /// Each rank goes on with its own; ranks that were not there then have been seeded.
    private func restoreGenerators(_ start: ResumePoint) throws -> Bool {
        let name = CheckpointNames.generators(peers.rank)
        let text = try start.checkpoint.document(name)
        let isRestored = try text.map { try GeneratorStates.restore($0) } ?? false
        if !isRestored || start.checkpoint.manifest.rankCount != peers.worldSize {
            events.send(
                .warning(
                    "\(start.checkpoint.manifest.rankCount) ranks saved their random generators, "
                        + "\(peers.worldSize) go on: dropout differs from a run without a stop"))
        }
        return isRestored
    }

    // MARK: Saving

    /// Before the first step: makes ready for saves in the background.
    func prepare(_ session: TrainingSession) {
        // Where the ranks' shares are cut, one may be some bytes more than its part.
        let bytes = session.trained.engine.stateSlices().map {
            $0.memory.byteCount / $0.copies.count + 64
        }
        saver.prepare(sliceBytes: bytes)
    }

    /// After each optimizer step: moves a save in the background along.
    func poll() throws {
        try saver.poll()
        tell()
    }

    /// Says so when a checkpoint has become complete.
    private func tell() {
        guard saver.lastSaved != told, let saved = saver.lastSaved else { return }
        told = saved
        events.send(.note("saved \(saved)"))
    }

    /// Whether a metric is better than all before it.
    func isBest(_ metric: Double?) -> Bool { isBetter(metric, than: bestMetric) }

    private func isBetter(_ metric: Double?, than best: Double?) -> Bool {
        guard let metric, !metric.isNaN else { return false }
        guard let best else { return true }
        return settings.greaterIsBetter ? metric > best : metric < best
    }

    func note(_ metric: Double?) { if isBest(metric) { bestMetric = metric } }

    /// - metric: what the best checkpoint is chosen by, where it was measured
    func save(
        _ session: TrainingSession, _ source: ModelSource, metric: Double?, lossBefore: Double?
    ) throws {
        var trainer = session.loop.state
        trainer.lossBefore = lossBefore
        if let metric, isBetter(metric, than: bestSaved?.metric) {
            bestSaved = (trainer.step, metric)
        }
        trainer.bestMetric = bestMetric
        (trainer.bestStep, trainer.bestStepMetric) = (bestSaved?.step, bestSaved?.metric)
        var documents = [
            CheckpointDocument(CheckpointNames.generators(peers.rank), GeneratorStates.text)
        ]
        if peers.rank == 0 {
            documents.append(CheckpointDocument(CheckpointNames.trainer, trainer.text))
            documents.append(
                CheckpointDocument(
                    CheckpointNames.recipe, resolved.json.text(.indented) + "\n"))
            documents += source.documents
        }
        let state = EngineState(session.trained.engine.stateSlices())
        try withExtendedLifetime(state) {
            try saver.save(
                CheckpointContent(
                    step: trainer.step, metric: metric, slices: state.slices,
                    documents: documents,
                    sparedStep: settings.loadBestModelAtEnd ? bestSaved?.step : nil))
        }
        tell()
    }

    /// Waits for a save in the background.
    func finish() throws {
        try saver.finish()
        tell()
    }

    /// At the end of a run: takes the weights of the best checkpoint. False where that is not
    /// wanted, or there is none.
    func loadBest(_ session: TrainingSession) throws -> Bool {
        guard settings.loadBestModelAtEnd else { return false }
        let path = try bestSaved.flatMap { try directory.checkpoint($0.step) }
        let found = try path.map { try Checkpoint(path: $0) }
        // That of another run may have the same step, but not the same metric.
        guard let checkpoint = found, checkpoint.manifest.metric == bestSaved?.metric else {
            let missing =
                bestSaved.map {
                    "the best checkpoint, of step \($0.step), is not in \(directory.path)"
                } ?? "no checkpoint was saved with a metric"
            events.send(.warning("\(missing): the model keeps the last weights"))
            return false
        }
        _ = try session.trained.engine.load(
            checkpoint, session.loop.state, peers: peers, policy: .weights)
        let metric = checkpoint.manifest.metric.map { $0.fixed(4) } ?? "unknown"
        events.send(.note("the best checkpoint is \(checkpoint.path), metric \(metric)"))
        return true
    }
}

extension ResumePoint {
    /// A state of another program may come without moments; one of a run never does.
    fileprivate var lacksOptimizer: Bool {
        isForeign && checkpoint.manifest.kinds == [StateKey.weight]
    }
}

extension ModelSource {
    /// The files that stand beside a model's weights.
    fileprivate var documents: [CheckpointDocument] {
        func text(_ json: JSONObject) -> String { JSON.object(json).text(.indented) + "\n" }
        var documents = [CheckpointDocument("config.json", text(pretrained.configuration))]
        if let generation = pretrained.generation {
            documents.append(CheckpointDocument("generation_config.json", text(generation)))
        }
        for (name, text) in tokenizer?.fileTexts ?? [] where !name.contains("/") {
            documents.append(CheckpointDocument(name, text))
        }
        return documents
    }
}
