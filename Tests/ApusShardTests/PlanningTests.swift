import ApusBase
import ApusShard
import Testing

@Suite struct UnitLayoutTests {
    private func spec(
        _ name: String, _ shape: [Int], unit: Int = 0, isTrainable: Bool = true, decays: Bool = true
    ) -> ParameterSpec {
        ParameterSpec(
            name: name, shape: shape, unit: unit, isTrainable: isTrainable, decays: decays)
    }

    @Test func parametersLieEndToEndAndAreAddedUpOnce() {
        let layout = ModelLayout(
            specs: [spec("a", [3, 5]), spec("b", [7]), spec("c", [2], unit: 1)],
            unitNames: ["root", "block"], shardCount: 3)
        #expect(layout.units.map(\.name) == ["root", "block"])
        #expect(layout.units[0].slots.map(\.range) == [0..<15, 15..<22])
        #expect(layout.units.map(\.elementCount) == [48, 48])
        #expect(layout.units[1].slots.map(\.parameter) == [2])
    }

    @Test func frozenParametersHaveABufferOfTheirOwn() {
        let layout = ModelLayout(
            specs: [spec("a", [4]), spec("b", [4], isTrainable: false), spec("c", [4])],
            unitNames: ["root"], shardCount: 1)
        #expect(layout.units.map(\.isTrainable) == [true, false])
        #expect(layout.units[0].slots.map(\.spec.name) == ["a", "c"])
    }

    @Test func neighboursWithTheSameDecayAreOneRun() {
        let specs = [
            spec("a", [4]), spec("b", [4]), spec("n", [2], decays: false), spec("c", [4]),
        ]
        let unit = UnitLayout(
            name: "u", kind: .init(isTrainable: true),
            specs: Array(specs.enumerated()).map { ($0, $1) }, shardCount: 1)
        let runs = unit.updateRuns(in: 0..<16)
        #expect(runs.map(\.range) == [0..<8, 8..<10, 10..<14])
        #expect(runs.map(\.decays) == [true, false, true])
        #expect(unit.updateRuns(in: 5..<12).map(\.range) == [0..<3, 3..<5, 5..<7])
    }

    /// Every element of every parameter has one place, for any sizes and number of ranks.
    @Test func nothingOverlapsAndPaddingIsShort() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<200 {
            let world = Int.random(in: 1...5, using: &random)
            let specs = (0..<Int.random(in: 1...12, using: &random)).map {
                spec(
                    "p\($0)", [Int.random(in: 1...40, using: &random)],
                    unit: Int.random(in: 0...2, using: &random))
            }
            let layout = ModelLayout(specs: specs, unitNames: ["x", "y", "z"], shardCount: world)
            #expect(layout.units.flatMap(\.slots).count == specs.count)
            for unit in layout.units {
                var end = 0
                for slot in unit.slots {
                    #expect(slot.range.lowerBound == end)
                    end = slot.range.upperBound
                }
                #expect(unit.elementCount.isMultiple(of: world))
                #expect(unit.elementCount - end < 16 * world)
            }
        }
    }
}

@Suite struct ReductionOrderTests {
    @Test func aUnitWaitsForItsTurn() {
        var order = ReductionOrder(units: [0, 1, 2])
        order.begin()
        #expect(order.gradientsAreComplete(1) == [])
        #expect(!order.hasStarted(1))
        #expect(order.gradientsAreComplete(2) == [2, 1])
        #expect(order.hasStarted(1))
        #expect(order.gradientsAreComplete(0) == [0])
        #expect(order.finish() == [])
    }

    @Test func unitsThatBackwardNeverReachesComeAtTheEnd() {
        var order = ReductionOrder(units: [0, 1, 2, 5])
        order.begin()
        #expect(order.gradientsAreComplete(5) == [5])
        #expect(order.gradientsAreComplete(1) == [])
        #expect(order.finish() == [2, 1, 0])
    }

    /// Whatever finishes when: all ranks reduce the same units in the same order, each once a
    /// backward.
    @Test func everyRankReducesInTheSameOrder() {
        var random = SplitMix64(seed: 11)
        for _ in 0..<300 {
            let units = Array(0..<Int.random(in: 1...8, using: &random))
            var order = ReductionOrder(units: units)
            for _ in 0..<2 {
                order.begin()
                let reached = units.shuffled(using: &random).prefix(
                    Int.random(in: 0...units.count, using: &random))
                var reduced: [Int] = []
                for unit in reached { reduced += order.gradientsAreComplete(unit) }
                reduced += order.finish()
                #expect(reduced == units.reversed())
            }
        }
    }
}
