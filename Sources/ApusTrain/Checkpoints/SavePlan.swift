internal import ApusConfig

/// After which steps a run saves a checkpoint.
struct SavePlan: Sendable, Hashable {
    let strategy: SaveStrategy
    /// Optimizer steps between checkpoints; nil where the strategy has no such.
    let interval: Int?
    let totalSteps: Int

    init(_ settings: CheckpointSettings, stepsPerEpoch: Int, totalSteps: Int) {
        strategy = settings.saveStrategy ?? .never
        self.totalSteps = totalSteps
        interval =
            switch strategy {
            case .never, .best: nil
            case .epoch: max(1, stepsPerEpoch)
            case .steps:
                settings.saveSteps ?? settings.savesPerEpoch.map { max(1, stepsPerEpoch / $0) }
            }
    }

    /// - isBest: whether an evaluation after this step was better than all before
    /// - isStopped: whether the run ends here before its time
    func saves(after step: Int, isBest: Bool, isStopped: Bool) -> Bool {
        if isStopped { return true }
        if strategy == .best { return isBest }
        guard let interval else { return false }
        return step.isMultiple(of: interval) || step == totalSteps
    }

    /// Whether a checkpoint is due whatever an evaluation says.
    func isDue(after step: Int) -> Bool { saves(after: step, isBest: false, isStopped: false) }
}
