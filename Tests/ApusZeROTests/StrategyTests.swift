import ApusBase
import ApusComm
import ApusOptim
import ApusShard
import ApusTensor
import ApusZeRO
import Testing

/// The same numbers, whatever is sharded, over however many ranks, with whatever timing.
@Suite struct StrategyTests {
    private func expectClose(
        _ a: ToyRun.Result, _ b: ToyRun.Result, within bound: Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (x, y) in zip(a.steps, b.steps) {
            #expect(
                abs(x.loss - y.loss) <= bound * abs(y.loss), "\(x) \(y)",
                sourceLocation: sourceLocation)
            #expect(
                abs(x.norm - y.norm) <= bound * abs(y.norm), "\(x) \(y)",
                sourceLocation: sourceLocation)
        }
        #expect(a.steps.count == b.steps.count, sourceLocation: sourceLocation)
    }

    @Test(arguments: ShardingStrategy.allCases, [1, 2, 3, 4])
    func thirtyStepsAreTheSame(_ strategy: ShardingStrategy, _ ranks: Int) throws {
        let reference = try ToyRun().result()
        for (accumulation, recomputes) in [(1, false), (4, true)] {
            let run = ToyRun(
                ranks: ranks, accumulation: accumulation, strategy: strategy,
                recomputes: recomputes)
            let results = try run.results()
            for result in results { expectClose(result, reference, within: 1e-6) }
            #expect(results.allSatisfy { $0 == results[0] }, "ranks hold the same bits")
        }
    }

    /// Without accumulation, all strategies add the same numbers in the same order.
    @Test(arguments: [2, 3])
    func strategiesAgreeToTheBit(_ ranks: Int) throws {
        let reference = try ToyRun(ranks: ranks).result()
        for strategy in ShardingStrategy.allCases {
            #expect(try ToyRun(ranks: ranks, strategy: strategy).result() == reference)
        }
    }

    @Test(arguments: [ShardingStrategy.optimizerState, .gradients, .parameters])
    func timingAndBuffersChangeNothing(_ strategy: ShardingStrategy) throws {
        for accumulation in [1, 2] {
            func result(_ adjust: @escaping @Sendable (inout EngineOptions) -> Void) throws
                -> ToyRun.Result
            {
                try ToyRun(
                    ranks: 2, accumulation: accumulation, steps: 8, strategy: strategy,
                    adjust: adjust
                ).result()
            }
            let reference = try result { _ in }
            #expect(try result { $0.sharding.prefetchBytes = 0 } == reference)
            #expect(try result { $0.sharding.prefetchBytes = 300 } == reference)
            #expect(try result { $0.sharding.reductionBytes = 0 } == reference)
            #expect(try result { $0.sharding.reductionBytes = 200 } == reference)
            #expect(try result { $0.sharding.overlaps = false } == reference)
            #expect(try result { $0.sharding.keepsGatheredInWindow = true } == reference)
        }
    }

    @Test(arguments: [ShardingStrategy.optimizerState, .gradients, .parameters])
    func groupsMayShardAndReplicate(_ strategy: ShardingStrategy) throws {
        let reference = try ToyRun().result()
        for accumulation in [1, 3] {
            let run = ToyRun(ranks: 4, accumulation: accumulation, strategy: strategy) {
                $0.sharding.groupSize = 2
            }
            for result in try run.results() { expectClose(result, reference, within: 1e-6) }
        }
    }

    @Test func groupsHaveToFillTheWorld() {
        let run = ToyRun(ranks: 3, strategy: .parameters) { $0.sharding.groupSize = 2 }
        #expect(throws: EngineError.self) { try run.results() }
    }

    @Test(arguments: ShardingStrategy.allCases)
    func lowPrecisionFollows(_ strategy: ShardingStrategy) throws {
        let reference = try ToyRun().result()
        for ranks in [1, 2] {
            let bf16 = try ToyRun(ranks: ranks, strategy: strategy) { $0.precision = .bfloat16 }
            expectClose(try bf16.result(), reference, within: 3e-2)
            let fp16 = try ToyRun(ranks: ranks, strategy: strategy) { $0.precision = .float16 }
            expectClose(try fp16.result(), reference, within: 1e-2)
        }
    }

    /// Sums of bf16 gradients are fp32 sums, however they travel.
    @Test func bfloat16StrategiesAgreeToTheBit() throws {
        func result(_ strategy: ShardingStrategy) throws -> ToyRun.Result {
            try ToyRun(ranks: 2, steps: 10, strategy: strategy) { $0.precision = .bfloat16 }
                .result()
        }
        let reference = try result(.optimizerState)
        #expect(try result(.gradients) == reference)
        #expect(try result(.parameters) == reference)
    }

    @Test(arguments: ShardingStrategy.allCases)
    func statesMayBeKeptInLess(_ strategy: ShardingStrategy) throws {
        let reference = try ToyRun().result()
        let moments = try ToyRun(ranks: 2, strategy: strategy) { $0.precision.moment = .bfloat16 }
        expectClose(try moments.result(), reference, within: 3e-2)
        let masters = try ToyRun(ranks: 2, strategy: strategy) {
            $0.precision = .bfloat16
            $0.precision.master = .bfloat16
        }
        expectClose(try masters.result(), reference, within: 6e-2)
    }

    @Test(arguments: ShardingStrategy.allCases)
    func rulesMayNeedWholeParameters(_ strategy: ShardingStrategy) throws {
        let reference = try ToyRun { $0.rule = Adafactor() }.result()
        for precision in [PrecisionPolicy.float32, .bfloat16] {
            let run = ToyRun(ranks: 3, strategy: strategy) {
                $0.rule = Adafactor()
                $0.precision = precision
            }
            expectClose(
                try run.result(), reference, within: precision == .float32 ? 2e-6 : 3e-2)
        }
    }

    @Test(arguments: ShardingStrategy.allCases)
    func muonWorksThroughGatheredMatrices(_ strategy: ShardingStrategy) throws {
        let reference = try ToyRun(steps: 10) { $0.rule = Muon() }.result()
        let run = ToyRun(ranks: 3, steps: 10, strategy: strategy) { $0.rule = Muon() }
        // Directions are rounded to bf16.
        expectClose(try run.result(), reference, within: 2e-2)
    }

    @Test(arguments: ShardingStrategy.allCases)
    func elementRulesWorkOnShards(_ strategy: ShardingStrategy) throws {
        for rule in [SGD(momentum: 0.9) as any UpdateRule, Lion(beta1: 0.9, beta2: 0.99)] {
            let adjust: @Sendable (inout EngineOptions) -> Void = { $0.rule = rule }
            let reference = try ToyRun(steps: 5, adjust: adjust).result()
            let run = ToyRun(ranks: 3, steps: 5, strategy: strategy, adjust: adjust)
            expectClose(try run.result(), reference, within: 1e-5)
        }
    }
}
