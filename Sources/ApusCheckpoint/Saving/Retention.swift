/// Which checkpoints are kept.
public struct Retention: Sendable, Hashable {
    /// The newest so many; nil keeps all.
    public var limit: Int?

    public init(limit: Int? = nil) { self.limit = limit }

    /// Of the steps with checkpoints those that go once that of `newest` is complete; never that
    /// one, nor the one that is spared.
    ///
    /// Steps beyond the newest are of a run that was taken up again before them: they go first.
    func expired(_ steps: [Int], newest: Int, spared: Int? = nil) -> [Int] {
        guard let limit else { return [] }
        let others = steps.filter { $0 != newest && $0 != spared }
        let abandoned = others.filter { $0 > newest }
        let older = others.filter { $0 < newest }.sorted(by: >)
        // The best one counts among those that are kept, unless there would be no other.
        let isExtra = spared != newest && spared.map { steps.contains($0) } ?? false
        let room = max(0, limit - 1 - (isExtra ? 1 : 0))
        return (abandoned + older.dropFirst(room)).sorted()
    }
}
