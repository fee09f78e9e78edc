import ApusBase
import ApusComm
import ApusOptim
import ApusTensor
import ApusZeRO
import Testing

/// The engine driven by bare tensors: it knows no module system.
@Suite struct EngineTests {
    /// loss = sum((x w + b)^2) with a frozen scale and a parameter that nothing uses.
    private struct Toy {
        let engine: Engine

        init(_ group: any ProcessGroup, _ adjust: (inout EngineOptions) -> Void = { _ in }) throws {
            var options = EngineOptions()
            options.rule = SGD()
            adjust(&options)
            func spec(_ name: String, _ shape: [Int], unit: Int, isTrainable: Bool = true)
                -> ParameterSpec
            {
                ParameterSpec(
                    name: name, shape: shape, unit: unit, isTrainable: isTrainable,
                    decays: shape.count > 1)
            }
            engine = try Engine(
                specs: [
                    spec("w", [3, 2], unit: 0), spec("b", [2], unit: 1),
                    spec("scale", [2], unit: 1, isTrainable: false), spec("unused", [5], unit: 2),
                ], unitNames: ["first", "second", "third"], options: options, group: group)
            try engine.load { spec, elements, values in
                for (index, element) in elements.enumerated() {
                    values[index] = Float(element + 1) / 4
                }
                if spec.name == "scale" { for index in values.indices { values[index] = 2 } }
            }
        }

        func loss(_ x: [Float]) -> Tensor {
            let w = engine.tensor(ofParameter: 0)
            let input = Tensor(x, shape: [x.count / 3, 3]).to(w.dtype)
            let y = input.matmul(w) * engine.tensor(ofParameter: 2) + engine.tensor(ofParameter: 1)
            return y.to(.float32).square().sum()
        }

        func values(_ index: Int) -> [Float] { engine.tensor(ofParameter: index).floats() }
    }

    private static let samples: [[Float]] = [
        [1, 2, 3], [-1, 0.5, 2], [0.25, 1, -2], [3, -1, 0.5],
    ]

    /// Weights after one step of SGD on all samples, however they are dealt.
    private func train(ranks: Int, perMicroBatch: Int) throws -> [[Float]] {
        let all = Self.samples
        return try LoopbackWorld.run(ranks) { group in
            let toy = try Toy(group)
            try toy.engine.beginWindow(gradientScale: 0.25)
            let own = stride(from: 0, to: all.count, by: perMicroBatch).map {
                Array(all[$0..<min($0 + perMicroBatch, all.count)].joined())
            }.enumerated().filter { $0.offset % ranks == group.rank }.map(\.element)
            if own.isEmpty { try toy.engine.skipMicroBatch(isLast: true) }
            for (index, x) in own.enumerated() {
                try toy.engine.backward(toy.loss(x), isLast: index == own.count - 1)
            }
            let outcome = try toy.engine.step(learningRate: 0.01)
            guard case .updated = outcome else { return [] }
            return toy.values(0) + toy.values(1) + toy.values(2) + toy.values(3)
        }
    }

    @Test(arguments: [(1, 4), (1, 1), (2, 2), (2, 1), (3, 1), (4, 1), (4, 4), (5, 2)])
    func theSplitDoesNotMatter(_ ranks: Int, _ perMicroBatch: Int) throws {
        let expected = try train(ranks: 1, perMicroBatch: 2)[0]
        for result in try train(ranks: ranks, perMicroBatch: perMicroBatch) {
            for (a, b) in zip(result, expected) { #expect(abs(a - b) < 1e-5) }
            #expect(result.count == expected.count)
        }
    }

    @Test func ranksHoldTheSameBits() throws {
        let results = try train(ranks: 3, perMicroBatch: 1)
        #expect(results[0] == results[1] && results[1] == results[2])
    }

    @Test func frozenAndUnusedParametersStay() throws {
        let result = try train(ranks: 2, perMicroBatch: 1)[0]
        #expect(Array(result[8..<10]) == [2, 2])
        #expect(Array(result[10...]) == [0.25, 0.5, 0.75, 1, 1.25])
    }

    @Test func aGradientThatIsNotFiniteSkipsTheStepOnAllRanks() throws {
        let outcomes = try LoopbackWorld.run(2) { group in
            let toy = try Toy(group)
            let before = toy.values(0)
            try toy.engine.beginWindow()
            let x: [Float] = group.rank == 1 ? [.infinity, 1, 1] : [1, 1, 1]
            try toy.engine.backward(toy.loss(x), isLast: true)
            let outcome = try toy.engine.step(learningRate: 0.1)
            return outcome == .skipped(.nonFiniteGradient) && toy.values(0) == before
                && toy.engine.updateCount == 0
        }
        #expect(outcomes == [true, true])
    }

    @Test func clipsTheGlobalNorm() throws {
        let toy = try Toy(SingleRankProcessGroup()) { $0.maximumGradientNorm = 0.5 }
        let before = toy.values(0) + toy.values(1)
        try toy.engine.beginWindow()
        try toy.engine.backward(toy.loss([1, 2, 3]), isLast: true)
        let outcome = try toy.engine.step(learningRate: 1)
        guard case .updated(let norm) = outcome else {
            Issue.record("skipped")
            return
        }
        #expect(norm > 0.5)
        let after = toy.values(0) + toy.values(1)
        let moved = zip(before, after).reduce(0.0) { sum, pair in
            sum + Double(pair.0 - pair.1) * Double(pair.0 - pair.1)
        }
        #expect(abs(moved.squareRoot() - 0.5) < 1e-4)
    }

    @Test func bfloat16KeepsFloat32Masters() throws {
        let toy = try Toy(SingleRankProcessGroup()) { $0.precision = .bfloat16 }
        #expect(toy.engine.tensor(ofParameter: 0).dtype == .bfloat16)
        // Each update is far below the weights' bf16 resolution; only masters can add them up.
        let before = toy.values(1)
        for _ in 0..<64 {
            try toy.engine.beginWindow()
            try toy.engine.backward(toy.loss([1, 1, 1]), isLast: true)
            _ = try toy.engine.step(learningRate: 1e-5)
        }
        #expect(toy.values(1) != before)
    }

    @Test func decayCanBeForcedOnVectors() throws {
        func bias(_ everything: Bool) throws -> [Float] {
            let toy = try Toy(SingleRankProcessGroup()) {
                $0.rule = AdamW()
                $0.weightDecay = 0.5
                $0.decaysEverything = everything
            }
            try toy.engine.beginWindow()
            try toy.engine.backward(toy.loss([1, 1, 1]) * 0, isLast: true)
            _ = try toy.engine.step(learningRate: 0.1)
            return toy.values(1)
        }
        #expect(try bias(false) == [0.25, 0.5])
        #expect(try bias(true) != [0.25, 0.5])
    }
}
