internal import ApusBase
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

    public init(_ trained: TrainedModel, schedule: LearningRateSchedule, batches: TrainingBatches) {
        self.trained = trained
        self.schedule = schedule
        self.batches = batches
    }

    private var group: any ProcessGroup { trained.engine.group }

    /// One optimizer step. All ranks call this together.
    ///
    /// - wantsStop: whether this rank was asked to stop; every rank's record says if any was
    public func next(wantsStop: Bool = false) throws -> StepRecord {
        let clock = ContinuousClock()
        let began = clock.now
        let window = batches.next()
        let rate = schedule.rate(atStep: step)
        let lossSum = try accumulate(window)
        let scale = window.lossWeight > 0 ? 1 / window.lossWeight : 1
        let outcome = try trained.engine.step(learningRate: rate, gradientScale: scale)
        step += 1
        trainedTokens += window.trainedTokenCount
        let shared = try share(lossSum: lossSum, wantsStop: wantsStop)
        let perEpoch = Double(batches.stepsPerEpoch)
        return StepRecord(
            step: step, epoch: Double(window.epoch) + Double(window.indexInEpoch + 1) / perEpoch,
            loss: shared.lossSum * scale, learningRate: rate, outcome: outcome,
            inputTokens: window.tokenCount, trainedTokens: trainedTokens,
            seconds: (clock.now - began).inSeconds, peakMemory: shared.peakMemory,
            stopIsWanted: shared.stopIsWanted)
    }

    /// Forward and backward over this rank's micro-batches; the sum of its losses.
    private func accumulate(_ window: OptimizerWindow) throws -> Double {
        let engine = trained.engine
        engine.beginWindow()
        let own = (0..<window.microSteps).compactMap { window.microBatch($0) }
        guard !own.isEmpty else {
            try engine.finishWindowWithoutBatch()
            return 0
        }
        var total = 0.0
        for (index, batch) in own.enumerated() {
            let loss = try catchingTensorErrors { trained.lossSum(batch, isTraining: true) }
            try engine.backward(loss, isLast: index == own.count - 1)
            total += loss.detached().item()
        }
        return total
    }

    /// What the ranks tell each other once a step, in one small gather.
    private func share(
        lossSum: Double, wantsStop: Bool
    ) throws -> (lossSum: Double, peakMemory: [Int], stopIsWanted: Bool) {
        let memory = HostMemoryFigures.current?.peakResidentBytes ?? 0
        let own = [lossSum, Double(memory), wantsStop ? 1 : 0]
        let all = try group.gathered(own)
        return (
            all.reduce(0) { $0 + $1[0] }, all.map { Int($0[1]) }, all.contains { $0[2] != 0 }
        )
    }
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
            guard let batch = batches.microBatch(step) else { continue }
            sum += try catchingTensorErrors {
                withoutGradient { trained.lossSum(batch, isTraining: false).item() }
            }
        }
        let sums = try trained.engine.group.gathered([sum])
        let total = sums.reduce(0) { $0 + $1[0] }
        return total / Double(max(batches.trainedTokenCount, 1))
    }
}

extension ProcessGroup {
    /// A few numbers of every rank, by rank.
    func gathered(_ own: [Double]) throws(CommError) -> [[Double]] {
        let input = own.withUnsafeBytes { Tensor(copying: $0, shape: [own.count], dtype: .float64) }
        let output = Tensor.empty([worldSize, own.count], dtype: .float64)
        try allGather(input, into: output, label: "step report")
        let numbers = output.doubles()
        return (0..<worldSize).map { Array(numbers[$0 * own.count..<($0 + 1) * own.count]) }
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
