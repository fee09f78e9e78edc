import ApusBase
import ApusShard
import Testing

/// The timeline of a step, as data: 0 is the root, 1 and 2 are blocks.
@Suite struct GatherPlannerTests {
    private typealias Event = GatherPlanner.Event
    private typealias Action = GatherPlanner.Action

    private static let step: [Event] = [
        .beginWindow, .willForward(0), .didForward(0), .willForward(1), .didForward(1),
        .willForward(2), .didForward(2), .willBackward(2), .didBackward(2), .willBackward(1),
        .didBackward(1), .willBackward(0), .didBackward(0), .endMicroBatch(isLast: true),
        .willUpdate, .didUpdate(0), .didUpdate(1), .didUpdate(2),
    ]

    /// Events with what they led to, without those that led to nothing.
    private func timeline(_ planner: inout GatherPlanner, _ events: [Event]) -> [String] {
        events.compactMap { event in
            let actions = planner.handle(event)
            return actions.isEmpty
                ? nil : "\(event): \(actions.map { "\($0)" }.joined(separator: " "))"
        }
    }

    @Test func withoutABudgetUnitsComeWhenTheyAreNeeded() {
        var planner = GatherPlanner(byteCounts: [10, 10, 10], prefetchBytes: 0)
        let expected = [
            "willForward(0): startGather(0) waitGather(0)", "didForward(0): free(0)",
            "willForward(1): startGather(1) waitGather(1)", "didForward(1): free(1)",
            "willForward(2): startGather(2) waitGather(2)", "didForward(2): free(2)",
            "willBackward(2): startGather(2) waitGather(2)", "didBackward(2): free(2)",
            "willBackward(1): startGather(1) waitGather(1)", "didBackward(1): free(1)",
            "willBackward(0): startGather(0) waitGather(0)", "didBackward(0): free(0)",
        ]
        #expect(timeline(&planner, Self.step) == expected)
        #expect(timeline(&planner, Self.step) == expected)
    }

    @Test func fromTheFirstRepeatedStepOnTheNextUnitComesEarly() {
        var planner = GatherPlanner(byteCounts: [10, 10, 10], prefetchBytes: 10)
        _ = timeline(&planner, Self.step)
        #expect(
            timeline(&planner, Self.step) == [
                "willForward(0): startGather(0) waitGather(0) startGather(1)",
                "didForward(0): free(0)",
                "willForward(1): waitGather(1) startGather(2)", "didForward(1): free(1)",
                // Block 2 is needed at once by backward: it stays.
                "willForward(2): waitGather(2) startGather(1)",
                "didForward(2): waitGather(1) free(1)",
                "willBackward(2): startGather(1)", "didBackward(2): free(2)",
                "willBackward(1): waitGather(1) startGather(0)", "didBackward(1): free(1)",
                "willBackward(0): waitGather(0)", "didBackward(0): free(0)",
                // The next step's first unit comes under the rest of the update.
                "didUpdate(0): startGather(0)",
            ])
    }

    @Test func aWindowMayKeepWhatItGathered() {
        var planner = GatherPlanner(
            byteCounts: [10, 10, 10], prefetchBytes: 0, keepsGatheredInWindow: true)
        var first = Self.step.prefix(13) + [.endMicroBatch(isLast: false)]
        let gathers = timeline(&planner, Array(first))
        #expect(gathers.count == 3 && gathers.allSatisfy { $0.contains("startGather") })
        first.removeFirst()
        #expect(timeline(&planner, Array(first)).isEmpty)
        #expect(
            timeline(&planner, [.endMicroBatch(isLast: true)]) == [
                "endMicroBatch(isLast: true): free(0) free(1) free(2)"
            ])
    }

    @Test func staleWeightsAreNeverKept() {
        var planner = GatherPlanner(byteCounts: [10, 10], prefetchBytes: 100)
        let pass: [Event] = [.willForward(0), .didForward(0), .willForward(1), .didForward(1)]
        for _ in 0..<3 { _ = timeline(&planner, pass) }
        #expect(planner.idleBytes > 0)
        _ = planner.handle(.willUpdate)
        #expect(planner.idleBytes == 0)
    }

    /// Whatever happens in whatever order: see the invariants of ``GatherPlanner``.
    @Test(arguments: 0..<60)
    func invariantsHoldInAnyOrder(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let count = Int.random(in: 1...6, using: &random)
        let sizes = (0..<count).map { _ in Int.random(in: 1...40, using: &random) }
        let budget = [0, 20, 50, 1000].randomElement(using: &random)!
        var planner = GatherPlanner(byteCounts: sizes, prefetchBytes: budget)
        var mirror = planner
        var world = ResidentUnits(sizes)
        // Mostly the same steps again, now and then something else.
        var habit = (0..<4).map { _ in (0..<count).shuffled(using: &random) }
        for step in 0..<40 {
            if step % 9 == 8 { habit[0].shuffle(using: &random) }
            for event in events(habit[Int.random(in: 0...99, using: &random) < 90 ? 0 : 1]) {
                let actions = planner.handle(event)
                #expect(mirror.handle(event) == actions, "every rank does the same")
                for action in actions { world.apply(action) }
                world.note(event)
                #expect(world.problem == nil)
                #expect(world.idleBytes <= budget)
                #expect(planner.idleBytes == world.idleBytes)
            }
        }
    }

    private func events(_ order: [Int]) -> [Event] {
        var events: [Event] = [.beginWindow]
        for unit in order { events += [.willForward(unit), .didForward(unit)] }
        for unit in order.reversed() { events += [.willBackward(unit), .didBackward(unit)] }
        events += [.endMicroBatch(isLast: true), .willUpdate]
        return events + order.indices.map { .didUpdate($0) }
    }
}

/// Carries actions out, and complains about those that make no sense.
private struct ResidentUnits {
    private let sizes: [Int]
    private var residency: [GatherPlanner.Residency]
    private var users: [Int]
    private(set) var problem: String?

    init(_ sizes: [Int]) {
        self.sizes = sizes
        residency = sizes.map { _ in .sharded }
        users = sizes.map { _ in 0 }
    }

    var idleBytes: Int {
        sizes.indices.filter { users[$0] == 0 && residency[$0] != .sharded }
            .reduce(0) { $0 + sizes[$1] }
    }

    mutating func apply(_ action: GatherPlanner.Action) {
        switch action {
        case .startGather(let unit): move(unit, from: .sharded, to: .gathering, "\(action)")
        case .waitGather(let unit): move(unit, from: .gathering, to: .gathered, "\(action)")
        case .free(let unit):
            if users[unit] > 1 { problem = "\(action) in use" }
            move(unit, from: .gathered, to: .sharded, "\(action)")
        }
    }

    mutating func note(_ event: GatherPlanner.Event) {
        switch event {
        case .willForward(let unit), .willBackward(let unit):
            users[unit] += 1
            if residency[unit] != .gathered { problem = "\(event) while \(residency[unit])" }
        case .didForward(let unit), .didBackward(let unit):
            users[unit] -= 1
        default: break
        }
    }

    private mutating func move(
        _ unit: Int, from: GatherPlanner.Residency, to: GatherPlanner.Residency, _ what: String
    ) {
        if residency[unit] != from { problem = "\(what) while \(residency[unit])" }
        residency[unit] = to
    }
}
