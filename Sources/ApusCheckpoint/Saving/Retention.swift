/// Which checkpoints are kept.
public struct Retention: Sendable, Hashable {
    /// The newest so many; nil keeps all.
    public var limit: Int?
    /// The one with the best metric is kept besides.
    public var best: Best?

    public enum Best: Sendable, Hashable {
        case lowest, highest
    }

    public init(limit: Int? = nil, best: Best? = nil) {
        self.limit = limit
        self.best = best
    }

    /// A checkpoint that is there.
    struct Candidate: Sendable, Hashable {
        var step: Int
        var metric: Double?
    }

    /// The steps whose checkpoints go once that of `newest` is complete; never that one.
    ///
    /// Steps beyond the newest are of a run that was taken up again before them: they go first.
    func expired(_ candidates: [Candidate], newest: Int) -> [Int] {
        guard let limit else { return [] }
        let spared = bestStep(candidates)
        let others = candidates.map(\.step).filter { $0 != newest && $0 != spared }
        let abandoned = others.filter { $0 > newest }
        let older = others.filter { $0 < newest }.sorted(by: >)
        // The best one counts among those that are kept, unless there would be no other.
        let isExtra = spared != nil && spared != newest
        let room = max(0, limit - 1 - (isExtra ? 1 : 0))
        return (abandoned + older.dropFirst(room)).sorted()
    }

    /// The step with the best metric; of equal ones the earliest.
    func bestStep(_ candidates: [Candidate]) -> Int? {
        guard let best else { return nil }
        var found: (step: Int, metric: Double)?
        for candidate in candidates.sorted(by: { $0.step < $1.step }) {
            guard let metric = candidate.metric, !metric.isNaN else { continue }
            let isBetter =
                found.map { best == .lowest ? metric < $0.metric : metric > $0.metric } ?? true
            if isBetter { found = (candidate.step, metric) }
        }
        return found?.step
    }
}
