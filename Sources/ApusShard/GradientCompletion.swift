/// Tells when a unit has all its gradients of a micro-batch, so that their reduction can start
/// while backward goes on.
///
/// A unit may run several times in a forward pass, some of its parameters may get no gradient, and
/// a front end may not tell about runs at all:
///
/// - without announced runs a unit is complete when every parameter has got a gradient;
/// - with them, when backward has left all of them that it can be seen leaving, and every
///   parameter has a gradient or no run is left that could give one.
///
/// A unit that never becomes complete is reduced when backward is over.
public struct GradientCompletion: Sendable {
    /// The parameters that have got a gradient.
    private var collected: [Bool]
    private var missing: Int
    /// Recorded forward runs whose end in backward is announced, and those where it is not.
    private var closedRuns = 0
    private var openRuns = 0
    /// Of `closedRuns`, those that backward has not left yet.
    private var pending = 0
    private var isReported = false

    public init(slotCount: Int) {
        collected = Array(repeating: false, count: slotCount)
        missing = slotCount
    }

    /// A forward run was recorded. `isClosed`: backward will tell when it has left the run.
    public mutating func didRecordRun(isClosed: Bool) {
        if isClosed { closedRuns += 1 } else { openRuns += 1 }
    }

    public mutating func beginBackward() {
        for slot in collected.indices { collected[slot] = false }
        missing = collected.count
        pending = closedRuns
        isReported = false
    }

    /// A parameter's gradient was collected; true when the unit is complete now.
    public mutating func didCollectGradient(of slot: Int) -> Bool {
        if !collected[slot] { missing -= 1 }
        collected[slot] = true
        return report()
    }

    /// Backward has left a run; true when the unit is complete now.
    public mutating func didLeaveRun() -> Bool {
        pending = max(0, pending - 1)
        return report()
    }

    /// - retainsGraph: the same runs will be gone through once more
    public mutating func endBackward(retainsGraph: Bool) {
        guard !retainsGraph else { return }
        closedRuns = 0
        openRuns = 0
    }

    private var isComplete: Bool {
        guard pending == 0 else { return false }
        return missing == 0 || (closedRuns > 0 && openRuns == 0)
    }

    private mutating func report() -> Bool {
        guard isComplete, !isReported else { return false }
        isReported = true
        return true
    }
}
