import ApusShard
import Testing

/// Twenty optimizer steps equal those of PyTorch and transformers, however the work is split.
@Suite struct TrainingGoldenTests {
    @Test(arguments: TrainingGolden.adamw + TrainingGolden.otherRules)
    func equalsPyTorch(_ golden: TrainingGolden) throws {
        try compare(golden.run(.init()), golden.expected(), tolerance: 1e-4)
    }

    @Test func bfloat16FollowsPyTorch() throws {
        let golden = TrainingGolden.bfloat16
        try compare(golden.run(.init()), golden.expected(), tolerance: 2e-2)
    }

    /// What PEFT trains: every step, and at the end every weight that was trained.
    @Test(
        arguments: TrainingGolden.adapters,
        [
            TrainingGolden.Split(), .init(ranks: 2, microBatchSize: 2, strategy: .parameters),
        ])
    func adaptersEqualPEFT(_ golden: TrainingGolden, _ split: TrainingGolden.Split) throws {
        let (steps, weights) = try golden.train(split)
        try compare(steps, golden.expected(), tolerance: 1e-4)
        let expected = try golden.expectedWeights()
        #expect(weights.keys.sorted() == expected.keys.sorted())
        for (name, values) in expected {
            let pairs = zip(try #require(weights[name]), values)
            let distance = pairs.reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(distance < 1e-5, "\(name)")
        }
    }

    @Test(
        arguments: TrainingGolden.adamw,
        [
            TrainingGolden.Split(ranks: 2, microBatchSize: 2),
            .init(microBatchSize: 2, accumulationSteps: 2),
            .init(ranks: 4, microBatchSize: 1),
            .init(ranks: 3, microBatchSize: 2),
            .init(recomputes: true),
        ])
    func doesNotDependOnTheSplit(_ golden: TrainingGolden, _ split: TrainingGolden.Split) throws {
        // Three ranks of two sequences take six a step: only the first step is the same.
        let whole = try golden.run(.init(microBatchSize: split.ranks == 3 ? 6 : 4))
        try compare(golden.run(split), whole, tolerance: 1e-5)
    }

    /// Whatever is sharded; every rank takes part.
    @Test(
        arguments: TrainingGolden.adamw,
        [
            TrainingGolden.Split(ranks: 2, microBatchSize: 2, strategy: .optimizerState),
            .init(ranks: 2, microBatchSize: 1, accumulationSteps: 2, strategy: .gradients),
            .init(ranks: 2, microBatchSize: 2, strategy: .parameters),
            .init(
                ranks: 4, microBatchSize: 1, recomputes: true, strategy: .parameters, groupSize: 2),
        ])
    func doesNotDependOnSharding(
        _ golden: TrainingGolden, _ split: TrainingGolden.Split
    ) throws {
        try compare(golden.run(split), golden.expected(), tolerance: 1e-4)
    }

    /// Three ranks deal four sequences unevenly: one has none in the second micro-step.
    @Test(arguments: [ShardingStrategy.gradients, .parameters])
    func raggedWindowsAreTheSame(_ strategy: ShardingStrategy) throws {
        let golden = TrainingGolden.adamw[0]
        let whole = try golden.run(.init(microBatchSize: 6))
        let split = TrainingGolden.Split(
            ranks: 3, microBatchSize: 1, accumulationSteps: 2, strategy: strategy)
        try compare(golden.run(split), whole, tolerance: 1e-5)
    }

    private func compare(
        _ steps: [TrainingGolden.Step], _ expected: [TrainingGolden.Step], tolerance: Double
    ) throws {
        try #require(steps.count == expected.count)
        for (index, (step, wanted)) in zip(steps, expected).enumerated() {
            func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= tolerance * abs(b) }
            #expect(isNear(step.loss, wanted.loss), "loss of step \(index + 1)")
            #expect(isNear(step.gradientNorm, wanted.gradientNorm), "norm of step \(index + 1)")
            let rateDifference = abs(step.learningRate - wanted.learningRate)
            #expect(rateDifference < 1e-9, "rate of step \(index + 1)")
        }
    }
}
