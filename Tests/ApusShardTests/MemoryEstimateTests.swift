import ApusBase
import ApusShard
import Testing

@Suite struct MemoryEstimateTests {
    private let model: ModelOutline

    init() throws {
        model = try ModelOutline(
            configuration: [
                "model_type": "llama", "vocab_size": 8192, "hidden_size": 768,
                "num_hidden_layers": 16, "num_attention_heads": 12, "intermediate_size": 2048,
            ], path: "config.json")
    }

    private func run(_ stage: Int, _ shards: Int, _ computeBytes: Int) -> RunOutline {
        var run = RunOutline()
        run.stage = stage
        run.shardCount = shards
        run.computeBytes = computeBytes
        run.tokens = 256
        return run
    }

    /// Section 3.1 of the ZeRO paper with fp32 gradients: bf16 weights take 2 psi, gradients 4 psi,
    /// master weights and AdamW's moments 12 psi.
    @Test(arguments: [
        (0, 2, 18.0), (0, 4, 16.0), (1, 2, 6), (1, 4, 7), (2, 2, 6), (2, 4, 7), (3, 2, 4.5),
        (3, 4, 4),
    ])
    func modelStatesFollowTheFormula(_ stage: Int, _ computeBytes: Int, _ perParameter: Double) {
        let estimate = MemoryEstimate(model, run(stage, 4, computeBytes))
        let expected = perParameter * Double(model.parameterCount)
        #expect(abs(Double(estimate.modelStates) / expected - 1) < 1e-3)
    }

    @Test func aRankAloneSharesNothing() {
        let alone = MemoryEstimate(model, run(3, 1, 4))
        #expect(alone == MemoryEstimate(model, run(0, 1, 4)))
    }

    /// Replicas and shards alike are copied once, by all ranks together.
    @Test(arguments: [0, 3])
    func savingInTheBackgroundCopiesTheState(_ stage: Int) {
        var run = run(stage, 2, 2)
        #expect(MemoryEstimate(model, run).bytes[.saving] == 0)
        run.backgroundSavers = 4
        let copied = Double(MemoryEstimate(model, run).bytes[.saving] ?? 0)
        #expect(abs(copied / (3 * Double(model.parameterCount)) - 1) < 1e-3)
    }

    @Test func recomputingSavesMostOfTheActivations() {
        var run = run(0, 1, 4)
        let kept = MemoryEstimate(model, run).bytes[.activations] ?? 0
        run.recomputes = true
        let recomputed = MemoryEstimate(model, run).bytes[.activations] ?? 0
        #expect(recomputed * 5 < kept && recomputed > 0)
    }

    @Test func activationsGrowWithTokensAndStatesDoNot() {
        var run = run(0, 1, 4)
        let few = MemoryEstimate(model, run)
        run.tokens *= 4
        let many = MemoryEstimate(model, run)
        #expect(many.bytes[.activations] == few.bytes[.activations].map { $0 * 4 })
        #expect(many.modelStates == few.modelStates)
    }

    @Test func whatIsGatheredObeysTheBudget() {
        var run = run(3, 4, 2)
        let block = model.blocks[0] * 2
        run.prefetchBytes = 0
        // The largest unit alone: the embedding or the head.
        let least = MemoryEstimate(model, run).bytes[.gathered] ?? 0
        #expect(least >= block && least < 2 * block)
        run.prefetchBytes = 2 * block
        #expect(MemoryEstimate(model, run).bytes[.gathered] == least + 2 * block)
        run.keepsGathered = true
        let all = MemoryEstimate(model, run).bytes[.gathered] ?? 0
        #expect(abs(all - model.parameterCount * 2) < 1 << 20)
    }
}
