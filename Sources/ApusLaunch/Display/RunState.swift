/// What is known of a run so far, from its events. Pure.
public struct RunState: Sendable {
    public internal(set) var phase: (name: String, detail: String?)?
    public internal(set) var facts: TrainingEvent.RunFacts?
    public internal(set) var last: TrainingEvent.StepFacts?
    /// The newest losses, oldest first, for the curve.
    public internal(set) var losses: [Double] = []
    public internal(set) var samples: [TrainingEvent.Sample] = []
    public internal(set) var summary: TrainingEvent.Summary?
    public internal(set) var evalLoss: Double?
    /// Why rank 0 ends before its time.
    public internal(set) var error: String?
    /// Why the ranks were told to end, in words.
    public internal(set) var ending: String?
    /// A slowly moving mean of the seconds per step.
    private var secondsPerStep: Double?

    static let keptLosses = 512

    public init() {}

    public mutating func apply(_ event: TrainingEvent) {
        switch event {
        case .phase(let name, let detail): phase = (name, detail)
        case .start(let facts): self.facts = facts
        case .step(let facts): apply(facts)
        case .evaluation(_, let loss): evalLoss = loss
        case .sample(let sample): samples.append(sample)
        case .done(let summary): self.summary = summary
        case .error(_, let message): error = message
        case .resumed, .saved, .note, .warning: break
        }
    }

    private mutating func apply(_ facts: TrainingEvent.StepFacts) {
        last = facts
        // Evaluations and the like in between have phases of their own.
        phase = ("training", nil)
        losses.append(facts.loss)
        if losses.count > Self.keptLosses { losses.removeFirst() }
        guard let seconds = facts.stepSeconds else { return }
        // The first step warms up caches and says little about the others.
        guard facts.step > 1, let mean = secondsPerStep else {
            secondsPerStep = seconds
            return
        }
        secondsPerStep = facts.step == 2 ? seconds : mean + (seconds - mean) * 0.1
    }

    /// Share of the steps that are done, from 0 to 1.
    var progress: Double {
        guard let facts, let last, facts.steps > 0 else { return 0 }
        return min(1, Double(last.step) / Double(facts.steps))
    }

    public var secondsLeft: Double? {
        guard let facts, let last, let secondsPerStep else { return nil }
        return Double(max(0, facts.steps - last.step)) * secondsPerStep
    }

    /// For the report of a run that did not finish: `after step 12 of 400`.
    public var place: String? {
        if let last {
            return "after step \(last.step)" + (facts.map { " of \($0.steps)" } ?? "")
        }
        return phase.map { "while \($0.name)" }
    }
}
