/// Decides when the parameters of each unit are gathered and released, for sharded parameters.
///
/// Events in, actions out; no input and output, no clock. All ranks that see the same events emit
/// the same actions in the same order. Between events these hold:
///
/// - a unit in use is gathered;
/// - gathered or arriving units that nobody uses have at most `prefetchBytes` together (but for
///   those that a window keeps);
/// - every `startGather` is followed by one `waitGather` and, before the next, one `free`.
public struct GatherPlanner: Sendable {
    public enum Event: Sendable, Hashable {
        /// The micro-batches of an optimizer step begin.
        case beginWindow
        /// Somebody is about to compute with the unit's parameters.
        case willForward(Int)
        case didForward(Int)
        case willBackward(Int)
        case didBackward(Int)
        /// Backward of a micro-batch is over, or a pass was broken off: nobody uses anything.
        case endMicroBatch(isLast: Bool)
        /// Weights are about to change: what was gathered becomes stale.
        case willUpdate
        /// The unit's own part of the new weights is there.
        case didUpdate(Int)
    }

    public enum Action: Sendable, Hashable {
        case startGather(Int)
        case waitGather(Int)
        case free(Int)
    }

    public enum Residency: Sendable, Hashable { case sharded, gathering, gathered }

    private struct Unit: Sendable {
        let byteCount: Int
        var residency = Residency.sharded
        var users = 0

        var isIdle: Bool { users == 0 && residency != .sharded }
    }

    private var units: [Unit]
    private let prefetchBytes: Int
    private let keepsGathered: Bool
    /// Whether units are kept because the window goes on.
    private var isInWindow = false
    private var schedule = PrefetchSchedule()

    /// - byteCounts: of each unit's gathered parameters
    public init(byteCounts: [Int], prefetchBytes: Int, keepsGatheredInWindow: Bool = false) {
        units = byteCounts.map { Unit(byteCount: $0) }
        self.prefetchBytes = prefetchBytes
        keepsGathered = keepsGatheredInWindow
    }

    /// Bytes that are gathered or arriving while nobody uses them.
    public var idleBytes: Int { units.reduce(0) { $0 + ($1.isIdle ? $1.byteCount : 0) } }

    public mutating func handle(_ event: Event) -> [Action] {
        switch event {
        case .beginWindow: beginWindow()
        case .willForward(let unit): use(unit, .forward(unit))
        case .willBackward(let unit): use(unit, .backward(unit))
        case .didForward(let unit): leave(unit)
        case .didBackward(let unit): leave(unit)
        case .endMicroBatch(let isLast): endMicroBatch(isLast: isLast)
        case .willUpdate: willUpdate()
        case .didUpdate(let unit): didUpdate(unit)
        }
    }

    // MARK: Uses

    private mutating func beginWindow() -> [Action] {
        isInWindow = keepsGathered
        return []
    }

    private mutating func use(_ unit: Int, _ use: PrefetchSchedule.Use) -> [Action] {
        units[unit].users += 1
        schedule.record(use)
        var actions = releaseUnexpected()
        actions += gather(unit)
        actions += prefetch()
        return actions
    }

    private mutating func leave(_ unit: Int) -> [Action] {
        // A pass that was broken off has already been cleared.
        guard units[unit].users > 0 else { return [] }
        units[unit].users -= 1
        return releaseUnexpected()
    }

    private mutating func endMicroBatch(isLast: Bool) -> [Action] {
        for unit in units.indices { units[unit].users = 0 }
        if isLast { isInWindow = false }
        return isLast ? releaseAll() : releaseUnexpected()
    }

    private mutating func willUpdate() -> [Action] {
        for unit in units.indices { units[unit].users = 0 }
        isInWindow = false
        let actions = releaseAll()
        schedule.record(.update)
        return actions
    }

    private mutating func didUpdate(_ unit: Int) -> [Action] {
        guard units[unit].residency == .sharded, expected.contains(unit) else { return [] }
        return start(unit)
    }

    // MARK: Gathering

    private mutating func gather(_ unit: Int) -> [Action] {
        switch units[unit].residency {
        case .gathered: return []
        case .gathering:
            units[unit].residency = .gathered
            return [.waitGather(unit)]
        case .sharded:
            units[unit].residency = .gathered
            return [.startGather(unit), .waitGather(unit)]
        }
    }

    private mutating func start(_ unit: Int) -> [Action] {
        units[unit].residency = .gathering
        return [.startGather(unit)]
    }

    /// The units that are used next, as many as the budget allows.
    private var expected: [Int] {
        var budget = prefetchBytes
        return schedule.upcoming { unit in
            // What is in use costs nothing more.
            if units[unit].users == 0 { budget -= units[unit].byteCount }
            return budget >= 0
        }
    }

    private mutating func prefetch() -> [Action] {
        var actions: [Action] = []
        for unit in expected where units[unit].residency == .sharded {
            // Only what a window keeps can be in the way.
            guard isInWindow || idleBytes + units[unit].byteCount <= prefetchBytes else { break }
            actions += start(unit)
        }
        return actions
    }

    // MARK: Releasing

    private mutating func releaseUnexpected() -> [Action] {
        guard !isInWindow else { return [] }
        let expected = expected
        return units.indices.filter { units[$0].isIdle && !expected.contains($0) }
            .flatMap { release($0) }
    }

    private mutating func releaseAll() -> [Action] {
        units.indices.filter { units[$0].residency != .sharded }.flatMap { release($0) }
    }

    private mutating func release(_ unit: Int) -> [Action] {
        defer { units[unit].residency = .sharded }
        return units[unit].residency == .gathering
            ? [.waitGather(unit), .free(unit)] : [.free(unit)]
    }
}
