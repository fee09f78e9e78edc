internal import ApusBase
internal import ApusCheckpoint
public import ApusComm
public import ApusConfig
internal import ApusData
internal import ApusModels
internal import ApusNN
internal import ApusTensor
internal import ApusTokenizer
internal import ApusZeRO

/// One fine-tuning or pretraining run, from a resolved recipe to a model folder.
public final class TrainingRun {
    private let resolved: ResolvedRecipe
    let group: any ProcessGroup
    let events: EventStream
    /// Asked between steps: whether somebody wants the run to end.
    let wantsStop: () -> Bool
    private var found: ComputeDevice?

    public init(
        _ resolved: ResolvedRecipe, group: any ProcessGroup, events: EventStream,
        wantsStop: @escaping () -> Bool = { false }
    ) {
        self.resolved = resolved
        self.group = group
        self.events = events
        self.wantsStop = wantsStop
    }

    var recipe: Recipe { resolved.recipe }
    private var isFirst: Bool { group.rank == 0 }

    public func run() throws -> RunSummary {
        events.send(.phase("opening model", detail: recipe.model.baseModel))
        let source = try ModelSource(
            path: recipe.model.baseModel, needsWeights: !recipe.model.reinitWeights)
        var declared = try RunModel(recipe, source.pretrained)
        for text in declared.warnings { events.send(.warning(text)) }
        events.send(.phase("reading data"))
        let data = try RunData(
            recipe, tokenizer: source.tokenizer, vocabularySize: declared.model.vocabularySize)
        report(data)
        let checkpoints = try RunCheckpoints(resolved, group: group, events: events)
        let folder =
            isFirst
            ? try RunFolder(
                path: recipe.output.outputDirectory, keptSteps: checkpoints.startStep) : nil
        if let adapter = declared.adapterByData {
            declared = try begin(declared, adapter, source, data, resumed: checkpoints.start)
        }
        events.send(.phase("loading weights"))
        try folder?.checkSpace(forModelOf: declared.savedByteCount(recipe))
        // What an adapter's run holds quantized is in no checkpoint.
        let loads = checkpoints.start == nil || recipe.adapter.kind != nil
        let trained = try makeTrained(declared, loads: loads)
        let session = try TrainingSession(
            recipe, trained: trained, data: data, paddingID: source.tokenizer?.paddingID ?? 0)
        session.loop.adapterStart = declared.adapterStart
        try checkpoints.restore(session)
        checkpoints.prepare(session)
        return try train(session, source, declared, (folder, checkpoints))
    }

    /// Where this rank computes.
    func place() throws -> ComputeDevice {
        if let found { return found }
        let place = try catchingTensorErrors { try ComputeDevice.current(beside: group) }
        found = place
        return place
    }

    /// - loads: false where a checkpoint gives the weights
    private func makeTrained(_ declared: RunModel, loads: Bool) throws -> TrainedModel {
        let model = declared.model
        Generator.seedAll(
            SplitMix64.mix(UInt64(bitPattern: Int64(recipe.output.seed))) &+ UInt64(group.rank))
        let trained = try catchingTensorErrors {
            try TrainedModel(model, options: recipe.engineOptions, group: group, on: place())
        }
        if !loads {
            // Nothing of them would stay.
        } else if recipe.model.reinitWeights {
            try trained.initialize(seed: UInt64(bitPattern: Int64(recipe.output.seed)))
        } else {
            let unused = try trained.load(from: declared.weights)
            if !unused.isEmpty {
                let list = unused.prefix(4).joined(separator: ", ")
                events.send(.warning("\(unused.count) tensors of the file are not used: \(list)"))
            }
        }
        trained.lossOptions = recipe.lossOptions
        trained.embeddingNoise = recipe.loss.neftuneNoiseAlpha ?? 0
        for unit in model.store.units where model.isBlock(unit) {
            unit.recomputesActivations = recipe.model.gradientCheckpointing
        }
        return trained
    }

    private func report(_ data: RunData) {
        for use in data.cacheUses {
            switch use {
            case .reused(let path): events.send(.phase("tokens", detail: "found in \(path)"))
            case .made(let path): events.send(.phase("tokens", detail: "kept in \(path)"))
            case .replacedDamaged(let path):
                events.send(.warning("\(path) was damaged: the data was tokenised again"))
            }
        }
        events.send(.phase("data", detail: "\(data.training.report)"))
        if let heldOut = data.heldOut {
            events.send(.phase("held out", detail: "\(heldOut.report)"))
        }
    }

    private func train(
        _ session: TrainingSession, _ source: ModelSource, _ declared: RunModel,
        _ output: (folder: RunFolder?, checkpoints: RunCheckpoints)
    ) throws -> RunSummary {
        let clock = ContinuousClock()
        let began = clock.now
        events.send(
            .start(
                steps: session.totalSteps, ranks: group.worldSize,
                parameters: session.trained.model.store.elementCount,
                trainedTokensPerEpoch: session.trainedTokensPerEpoch))
        // A sharded model answers on all ranks at once; the first tells.
        let answers =
            isFirst || session.trained.computesTogether
            ? try SampleAnswers(recipe, session.trained, source) : nil
        let (folder, checkpoints) = output
        let before: Double?
        if let start = checkpoints.start {
            before = start.trainer.lossBefore
        } else {
            try answers?.give(isAfter: false, to: events)
            before = try evaluate(session, step: 0)
        }
        let saving = Saving(checkpoints: checkpoints, source: source, lossBefore: before)
        var end = try steps(session, folder, saving)
        try checkpoints.finish()
        if !end.wasInterrupted, try checkpoints.loadBest(session) {
            end.loss = try evaluate(session, step: session.step)
        }
        // Whoever stops a run wants the model soon, and is killed waiting if it takes long.
        if !end.wasInterrupted { try answers?.give(isAfter: true, to: events) }
        try save(declared, source, session.trained)
        try folder?.drawLoss(lossBefore: before)
        let summary = RunSummary(
            steps: session.step, seconds: (clock.now - began).seconds, lossBefore: before,
            lossAfter: end.loss, path: recipe.output.outputDirectory,
            wasInterrupted: end.wasInterrupted)
        events.send(.done(summary))
        return summary
    }

    /// What saving a checkpoint takes beside the session.
    private struct Saving {
        let checkpoints: RunCheckpoints
        let source: ModelSource
        let lossBefore: Double?
    }

    /// All optimizer steps that are left. Returns the held-out loss after the last, and whether
    /// the run was stopped before its end: then nothing is evaluated any more.
    private func steps(
        _ session: TrainingSession, _ folder: RunFolder?, _ saving: Saving
    ) throws -> (loss: Double?, wasInterrupted: Bool) {
        var loss: Double?
        if session.step >= session.totalSteps {
            events.send(.note("all \(session.totalSteps) steps were taken before"))
            loss = try evaluate(session, step: session.step)
        }
        while session.step < session.totalSteps {
            let record = try session.loop.next(wantsStop: wantsStop())
            session.step = record.step
            events.send(.step(record))
            if case .skipped(.nonFiniteGradient) = record.outcome {
                let place = "step \(record.step)"
                events.send(.warning("\(place): the gradient is not finite, nothing was updated"))
            }
            let isLast = record.step == session.totalSteps
            let isStopped = record.stopIsWanted && !isLast
            let isDue = isLast || session.isEvaluated(after: record.step)
            loss = isDue && !isStopped ? try evaluate(session, step: record.step) : nil
            try folder?.append(record, evalLoss: loss)
            try saving.checkpoints.poll()
            try save(session, record, loss, isStopped: isStopped, saving)
            if isStopped { return (nil, true) }
        }
        return (loss, false)
    }

    /// Saves a checkpoint where one is due after a step.
    private func save(
        _ session: TrainingSession, _ record: StepRecord, _ evalLoss: Double?, isStopped: Bool,
        _ saving: Saving
    ) throws {
        let isByEvaluation = recipe.checkpoints.metricForBestModel == .evalLoss
        let metric = isByEvaluation ? evalLoss : record.loss
        let isBest = evalLoss != nil && saving.checkpoints.isBest(metric)
        guard session.savePlan.saves(after: record.step, isBest: isBest, isStopped: isStopped)
        else { return }
        saving.checkpoints.note(metric)
        events.send(.phase("saving a checkpoint"))
        try saving.checkpoints.save(
            session, saving.source, metric: metric, lossBefore: saving.lossBefore)
    }

    private func evaluate(_ session: TrainingSession, step: Int) throws -> Double? {
        guard let evaluator = session.evaluator else { return nil }
        events.send(.phase("evaluating"))
        let loss = try Trace.shared.span("evaluation", .other) { try evaluator.loss() }
        events.send(.evaluation(step: step, loss: loss))
        return loss
    }

    /// The first rank writes the model. The others bring what they hold of it, and wait, so that
    /// none reports success before it is there.
    private func save(
        _ declared: RunModel, _ source: ModelSource, _ trained: TrainedModel
    ) throws {
        let folder = recipe.output.outputDirectory
        if isFirst {
            events.send(.phase("saving", detail: folder))
            let writer = try declared.beginSaving(recipe, to: folder)
            try trained.forEachParameter(where: declared.isSaved) {
                try writer.write($0.name, $0.value)
            }
            try writer.finish()
            try source.tokenizer?.save(to: folder)
            events.send(.saved(path: folder))
        } else if trained.computesTogether {
            try trained.forEachParameter(where: declared.isSaved) { _ in }
        }
        try group.barrier(label: "saving the model")
    }
}

/// The moving parts of a run.
final class TrainingSession {
    let trained: TrainedModel
    let loop: TrainingLoop
    let evaluator: Evaluator?
    let totalSteps: Int
    let evaluationInterval: Int?
    let savePlan: SavePlan
    /// Whether checkpoints are compared by the held-out loss.
    private let savesAreEvaluated: Bool
    let trainedTokensPerEpoch: Int
    var step = 0

    /// Whether the model is evaluated between steps here.
    func isEvaluated(after step: Int) -> Bool {
        if savesAreEvaluated, savePlan.isDue(after: step) { return true }
        return evaluationInterval.map { step.isMultiple(of: $0) } ?? false
    }

    init(_ recipe: Recipe, trained: TrainedModel, data: RunData, paddingID: Int32) throws {
        let group = trained.engine.group
        let batches = TrainingBatches(
            data.training.samples, recipe.batchOptions(paddingID: paddingID), rank: group.rank,
            worldSize: group.worldSize)
        totalSteps = recipe.totalSteps(perEpoch: batches.stepsPerEpoch)
        evaluationInterval = recipe.evaluationInterval(stepsPerEpoch: batches.stepsPerEpoch)
        savePlan = SavePlan(
            recipe.checkpoints, stepsPerEpoch: batches.stepsPerEpoch, totalSteps: totalSteps)
        savesAreEvaluated =
            recipe.checkpoints.loadBestModelAtEnd
            && recipe.checkpoints.metricForBestModel == .evalLoss
        trainedTokensPerEpoch = data.training.report.trainedTokens
        self.trained = trained
        loop = TrainingLoop(
            trained, schedule: recipe.learningRateSchedule(totalSteps: totalSteps), batches: batches
        )
        evaluator = data.heldOut.map { heldOut in
            let options = recipe.evaluationOptions(paddingID: paddingID)
            let batches = EvaluationBatches(
                heldOut.samples, options, rank: group.rank, worldSize: group.worldSize)
            return Evaluator(trained, batches: batches)
        }
    }
}

extension LanguageModel {
    /// Blocks are the units that hold neither embeddings nor head.
    func isBlock(_ unit: Unit) -> Bool { unit.name.last?.isNumber ?? false }
}
