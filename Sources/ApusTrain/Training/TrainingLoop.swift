internal import ApusBase
public import ApusCheckpoint
internal import ApusComm
public import ApusData
public import ApusOptim
internal import ApusTensor
public import ApusZeRO

/// What one optimizer step did, on all ranks together.
public struct StepRecord: Sendable, Hashable {
    /// Counted from 1.
    public var step: Int
    /// Epochs completed, with fraction.
    public var epoch: Double
    /// Mean over the trained tokens of the window.
    public var loss: Double
    public var learningRate: Double
    public var outcome: StepOutcome
    /// Tokens in the window over all ranks, padding not counted.
    public var inputTokens: Int
    /// Trained tokens since the run began.
    public var trainedTokens: Int
    public var seconds: Double
    /// Peak resident bytes of each rank.
    public var peakMemory: [Int]
    /// Some rank was asked to stop.
    public var stopIsWanted: Bool

    public var tokensPerSecond: Double { Double(inputTokens) / max(seconds, 1e-9) }

    /// nil where the gradient was not finite.
    public var gradientNorm: Double? {
        if case .updated(let norm) = outcome { norm } else { nil }
    }
}

/// Runs optimizer steps: pulls windows, computes, updates, and agrees with the other ranks on what
/// is reported.
///
/// The loss of a window is the sum of its token losses over all ranks and micro-batches divided by
/// the number of its trained tokens, so that the split into ranks and micro-batches changes
/// nothing.
public final class TrainingLoop {
    private let trained: TrainedModel
    private let schedule: LearningRateSchedule
    private var batches: TrainingBatches
    private var step = 0
    private var trainedTokens = 0
    /// How data began the adapter: what a run that goes on has to know.
    var adapterStart: JSON?

    public init(_ trained: TrainedModel, schedule: LearningRateSchedule, batches: TrainingBatches) {
        self.trained = trained
        self.schedule = schedule
        self.batches = batches
    }

    private var group: any ProcessGroup { trained.engine.group }

    /// Where the run stands between two steps.
    public var state: TrainerState {
        var state = TrainerState(step: step, updates: trained.engine.updateCount)
        state.trainedTokens = trainedTokens
        state.data = batches.cursor.json
        state.lossScaler = trained.engine.lossScaler?.json
        state.adapter = adapterStart
        return state
    }

    /// Continues from a state that was taken here; nil begins the data anew.
    public func resume(_ state: TrainerState, at cursor: DataCursor?) throws(ResumeError) {
        if let cursor { try batches.resume(at: cursor) }
        step = state.step
        trainedTokens = state.trainedTokens
    }

    /// One optimizer step. All ranks call this together.
    ///
    /// - wantsStop: whether this rank was asked to stop; every rank's record says if any was
    public func next(wantsStop: Bool = false) throws -> StepRecord {
        let clock = ContinuousClock()
        let began = clock.now
        let window = Trace.shared.span("window", .data) { batches.next() }
        let rate = schedule.rate(atStep: step)
        let scale = window.lossWeight > 0 ? 1 / window.lossWeight : 1
        let lossSum = try accumulate(window, gradientScale: scale)
        let report = RankReport(lossSum: lossSum, wantsStop: wantsStop)
        let (outcome, told) = try trained.engine.step(learningRate: rate, sharing: report.numbers)
        step += 1
        trainedTokens += window.trainedTokenCount
        let reports = told.map { RankReport($0) }
        let perEpoch = Double(batches.stepsPerEpoch)
        return StepRecord(
            step: step, epoch: Double(window.epoch) + Double(window.indexInEpoch + 1) / perEpoch,
            loss: reports.reduce(0) { $0 + $1.lossSum } * scale, learningRate: rate,
            outcome: outcome,
            inputTokens: window.tokenCount, trainedTokens: trainedTokens,
            seconds: (clock.now - began).seconds, peakMemory: reports.map(\.peakMemory),
            stopIsWanted: reports.contains(where: \.wantsStop))
    }

    /// Forward and backward over this rank's micro-batches; the sum of its losses.
    private func accumulate(_ window: OptimizerWindow, gradientScale: Double) throws -> Double {
        let engine = trained.engine
        try engine.beginWindow(gradientScale: gradientScale)
        var total = 0.0
        for step in 0..<window.microSteps {
            let isLast = step == window.microSteps - 1
            guard let batch = trained.microBatch(window.microBatch(step)) else {
                try engine.skipMicroBatch(isLast: isLast)
                continue
            }
            let loss = try Trace.shared.span("micro-batch", .forward) {
                try engine.computing { trained.lossSum(batch, isTraining: true) }
            }
            try engine.backward(loss, isLast: isLast)
            total += loss.detached().item()
        }
        return total
    }
}

/// What a rank tells the others once a step, with its part of the gradient norm.
private struct RankReport {
    var lossSum: Double
    var peakMemory: Int
    var wantsStop: Bool

    init(lossSum: Double, wantsStop: Bool) {
        self.lossSum = lossSum
        self.wantsStop = wantsStop
        peakMemory = HostMemoryFigures.current?.peakResidentBytes ?? 0
    }

    init(_ numbers: [Double]) {
        lossSum = numbers[0]
        peakMemory = Int(numbers[1])
        wantsStop = numbers[2] != 0
    }

    var numbers: [Double] { [lossSum, Double(peakMemory), wantsStop ? 1 : 0] }
}

/// The mean loss over held-out tokens: every sample once, on all ranks together.
public struct Evaluator {
    private let trained: TrainedModel
    private let batches: EvaluationBatches

    public init(_ trained: TrainedModel, batches: EvaluationBatches) {
        self.trained = trained
        self.batches = batches
    }

    public func loss() throws -> Double {
        var sum = 0.0
        for step in 0..<batches.microSteps {
            guard let batch = trained.microBatch(batches.microBatch(step)) else { continue }
            sum += try trained.engine.computing {
                withoutGradient { trained.lossSum(batch, isTraining: false).item() }
            }
        }
        let sums = try trained.engine.group.gathered([sum], label: "held-out loss")
        let total = sums.reduce(0) { $0 + $1[0] }
        return total / Double(max(batches.trainedTokenCount, 1))
    }
}
