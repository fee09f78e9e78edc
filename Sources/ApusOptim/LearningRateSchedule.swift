#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// The learning rate of each optimizer step, a pure function of the step's number.
///
/// The formulae are those of `transformers.optimization` (`get_scheduler`), in which step 0 comes
/// first and, with a warm-up, has rate 0.
public struct LearningRateSchedule: Sendable, Hashable {
    /// What follows the warm-up.
    public enum Shape: Sendable, Hashable {
        /// `constant`, or `constant_with_warmup` with a warm-up.
        case constant
        /// A straight line to 0 at the last step.
        case linear
        /// Half a cosine, from the peak to `minimumRatio` of it at the last step.
        case cosine(minimumRatio: Double = 0)
        /// The peak until `decaySteps` before the end, then `decay` down to `minimumRatio` of it;
        /// the warm-up starts from that ratio too.
        case warmupStableDecay(
            decaySteps: Int, decay: DecayCurve = .cosine, minimumRatio: Double = 0)
    }

    public enum DecayCurve: Sendable, Hashable {
        case linear, cosine, oneMinusSquareRoot
    }

    public enum WarmupCurve: Sendable, Hashable {
        case linear
        /// `log(step + 1) / log(warmupSteps)`, as DeepSpeed's schedulers rise by default.
        case logarithmic
    }

    public var shape: Shape
    public var warmupCurve = WarmupCurve.linear
    public var peak: Double
    public var warmupSteps: Int
    public var totalSteps: Int

    public init(_ shape: Shape, peak: Double, warmupSteps: Int = 0, totalSteps: Int) {
        precondition(
            warmupSteps >= 0 && totalSteps >= 0,
            "LearningRateSchedule: steps must not be negative")
        self.shape = shape
        self.peak = peak
        self.warmupSteps = warmupSteps
        self.totalSteps = totalSteps
    }

    /// The warm-up that a ratio of the whole run asks for, rounded up.
    public static func warmupSteps(ratio: Double, totalSteps: Int) -> Int {
        Int((Double(totalSteps) * ratio).rounded(.up))
    }

    /// The learning rate of optimizer step `step`, counted from 0.
    public func rate(atStep step: Int) -> Double { peak * factor(atStep: step) }

    /// The rate as a share of the peak.
    func factor(atStep step: Int) -> Double {
        if step < warmupSteps {
            let progress = warmupCurve.share(atStep: step, of: warmupSteps)
            guard case .warmupStableDecay(_, _, let minimum) = shape else { return progress }
            return LearningRateSchedule.above(minimum, progress)
        }
        switch shape {
        case .constant:
            return 1
        case .linear:
            return max(0, 1 - decayProgress(atStep: step))
        case .cosine(let minimum):
            let share = 0.5 * (1 + cos(.pi * decayProgress(atStep: step)))
            return max(0, LearningRateSchedule.above(minimum, share))
        case .warmupStableDecay(let decaySteps, let decay, let minimum):
            let start = max(warmupSteps, totalSteps - decaySteps)
            if step < start { return 1 }
            if step >= start + decaySteps { return minimum }
            let progress = Double(step - start) / Double(decaySteps)
            return max(0, LearningRateSchedule.above(minimum, decay.share(at: progress)))
        }
    }

    /// How much of the way from the end of the warm-up to the last step is done.
    private func decayProgress(atStep step: Int) -> Double {
        Double(step - warmupSteps) / Double(max(1, totalSteps - warmupSteps))
    }

    private static func above(_ minimum: Double, _ share: Double) -> Double {
        share * (1 - minimum) + minimum
    }
}

extension LearningRateSchedule.WarmupCurve {
    /// From 0 at the first step to 1 after the last.
    func share(atStep step: Int, of steps: Int) -> Double {
        switch self {
        case .linear: Double(step) / Double(steps)
        case .logarithmic: min(1, log(Double(step + 1)) / log(Double(max(2, steps))))
        }
    }
}

extension LearningRateSchedule.DecayCurve {
    /// From 1 at the start to 0 at the end.
    func share(at progress: Double) -> Double {
        switch self {
        case .linear: 1 - progress
        case .cosine: 0.5 * (1 + cos(.pi * progress))
        case .oneMinusSquareRoot: 1 - progress.squareRoot()
        }
    }
}
