import ApusBase
import ApusShard
import Testing

@Suite struct DeviceMeshTests {
    @Test func theLastAxisVariesFastest() {
        let mesh = DeviceMesh([.init("replica", size: 2), .init("shard", size: 3)])
        #expect(mesh.worldSize == 6)
        #expect(mesh.ranks(along: "shard", of: 4) == [3, 4, 5])
        #expect(mesh.ranks(along: "replica", of: 4) == [1, 4])
        #expect(mesh.coordinate(of: 4, along: "shard") == 1)
        #expect(mesh.coordinate(of: 4, along: "replica") == 1)
    }

    @Test func groupsHaveToFillTheWorld() {
        #expect(DeviceMesh.sharding(worldSize: 4, groupSize: 3) == nil)
        #expect(DeviceMesh.sharding(worldSize: 4, groupSize: nil)?.size(of: "shard") == 4)
        #expect(DeviceMesh.sharding(worldSize: 4, groupSize: 2)?.size(of: "replica") == 2)
    }

    @Test func everyRankIsInOneGroupOfEachAxis() {
        let mesh = DeviceMesh([.init("a", size: 2), .init("b", size: 3), .init("c", size: 2)])
        for axis in ["a", "b", "c"] {
            let groups = Set((0..<12).map { mesh.ranks(along: axis, of: $0) })
            #expect(groups.flatMap { $0 }.sorted() == Array(0..<12))
        }
    }
}

@Suite struct ShardLayoutTests {
    /// The pieces of all shards together are every parameter, once.
    @Test func shardsCoverParametersOnce() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<100 {
            let shards = Int.random(in: 1...6, using: &random)
            let sizes = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                Int.random(in: 0...70, using: &random)
            }
            let specs = sizes.enumerated().map { index, size in
                (
                    index: index,
                    spec: ParameterSpec(name: "p\(index)", shape: [size], unit: 0, decays: true)
                )
            }
            let layout = UnitLayout(
                name: "u", kind: .init(isTrainable: true), specs: specs, shardCount: shards)
            var seen = sizes.map { [Int](repeating: 0, count: $0) }
            for shard in 0..<shards {
                let range = layout.shard(shard)
                for piece in layout.pieces(in: range) {
                    for element in piece.elements { seen[piece.slot][element] += 1 }
                    let flat = range.lowerBound + piece.offset
                    let slot = layout.slots[piece.slot].range
                    #expect(flat == slot.lowerBound + piece.elements.lowerBound)
                }
            }
            #expect(seen.allSatisfy { $0.allSatisfy { $0 == 1 } })
        }
    }

    @Test func parametersOfAnotherDtypeLieApart() {
        let specs = [
            ParameterSpec(name: "w", shape: [4], unit: 0, decays: true),
            ParameterSpec(name: "router", shape: [4], unit: 0, decays: true, dtype: .float32),
        ]
        let layout = ModelLayout(specs: specs, unitNames: ["u"], shardCount: 1)
        #expect(layout.units.map(\.kind.dtype) == [nil, .float32])
        #expect(layout.units.map { $0.slots.map(\.parameter) } == [[0], [1]])
    }

    @Test func ownersAreBalanced() {
        #expect(parameterOwners(elementCounts: [8, 1, 7, 2], rankCount: 2) == [0, 0, 1, 1])
        #expect(parameterOwners(elementCounts: [5], rankCount: 3) == [0])
    }
}

@Suite struct GradientCompletionTests {
    @Test func withoutAnnouncedRunsEveryGradientCounts() {
        var unit = GradientCompletion(slotCount: 2)
        unit.beginBackward()
        #expect(unit.didCollectGradient(of: 1) == false)
        #expect(unit.didCollectGradient(of: 1) == false)
        #expect(unit.didCollectGradient(of: 0) == true)
    }

    @Test func aRunMayLeaveParametersOut() {
        var unit = GradientCompletion(slotCount: 2)
        unit.didRecordRun(isClosed: true)
        unit.beginBackward()
        #expect(unit.didCollectGradient(of: 0) == false)
        #expect(unit.didLeaveRun() == true)
    }

    @Test func allRunsHaveToBeLeft() {
        var unit = GradientCompletion(slotCount: 1)
        unit.didRecordRun(isClosed: true)
        unit.didRecordRun(isClosed: true)
        for retains in [true, false] {
            unit.beginBackward()
            #expect(unit.didCollectGradient(of: 0) == false)
            #expect(unit.didLeaveRun() == false)
            #expect(unit.didLeaveRun() == true)
            unit.endBackward(retainsGraph: retains)
        }
    }

    /// Tied embeddings: the lookup's run has no end that can be seen.
    @Test func anOpenRunWaitsForTheGradients() {
        var unit = GradientCompletion(slotCount: 1)
        unit.didRecordRun(isClosed: false)
        unit.didRecordRun(isClosed: true)
        unit.beginBackward()
        #expect(unit.didLeaveRun() == false)
        #expect(unit.didCollectGradient(of: 0) == true)
        #expect(unit.didCollectGradient(of: 0) == false, "reported once")
    }
}
