import ApusBase
import ApusComm
import ApusOptim
import ApusShard
import ApusTensor
import ApusZeRO
import Testing

/// What a step moves and what a rank holds, against the ZeRO paper's formulas.
@Suite struct TrafficTests {
    /// Bytes moved in one step after the first, and the model states that each rank holds.
    private func measure(
        _ strategy: ShardingStrategy, ranks: Int, microBatches: Int = 1,
        _ adjust: @escaping @Sendable (inout EngineOptions) -> Void = { _ in }
    ) throws -> [(moved: Int, bytes: StateBytes, engine: EngineFacts)] {
        try LoopbackWorld.run(ranks) { group in
            var options = EngineOptions()
            options.sharding.strategy = strategy
            options.sharding.prefetchBytes = 0
            adjust(&options)
            let toy = try ToyModel(group, options)
            toy.shape.usesBlockTwice = false
            let batches = Array(repeating: [1, 2, 3, 4], count: microBatches)
            _ = try toy.step(batches, tokens: 4)
            let before = toy.engine.movedBytes
            _ = try toy.step(batches, tokens: 4)
            // The gradient norm and the loss, in one message.
            let moved = toy.engine.movedBytes - before - 2 * 8 * ranks
            return (moved, toy.engine.stateBytes, EngineFacts(toy.engine))
        }
    }

    private struct EngineFacts: Sendable {
        /// Elements of trainable and of frozen flat buffers, padding included.
        var trainable = 0
        var frozen = 0
        /// Elements of trainable parameters, without padding.
        var trained = 0
        /// Of the units that a pass uses.
        var used = 0
        /// The root is used twice in forward and twice in backward.
        var root = 0

        init(_ engine: Engine) {
            for unit in engine.layout.units {
                if unit.isTrainable {
                    trainable += unit.elementCount
                    trained += unit.usedCount
                } else {
                    frozen += unit.elementCount
                }
                if unit.name != "spare" { used += unit.elementCount }
                if unit.name == "root" { root += unit.elementCount }
            }
        }
    }

    @Test(arguments: [2, 3])
    func aStepMovesWhatTheoryDemands(_ ranks: Int) throws {
        for strategy in ShardingStrategy.allCases {
            let (moved, _, facts) = try measure(strategy, ranks: ranks)[0]
            let psi = facts.trainable * 4
            switch strategy {
            case .none: #expect(moved == 2 * psi, "an all-reduce")
            case .optimizerState, .gradients:
                #expect(moved == 2 * psi, "a reduce-scatter and a gather")
            case .parameters:
                // Gathered for forward and for backward; the tied root for each of its uses.
                let gathers = 2 * (facts.used + facts.root) * 4
                #expect(moved == psi + gathers)
            }
        }
    }

    @Test func accumulationReducesOnceOrEveryTime() throws {
        func psis(_ strategy: ShardingStrategy) throws -> (Int, EngineFacts) {
            let (moved, _, facts) = try measure(strategy, ranks: 2, microBatches: 3)[0]
            return (moved, facts)
        }
        let (local, facts) = try psis(.optimizerState)
        #expect(local == 2 * facts.trainable * 4, "stage 1 reduces at the window's end")
        #expect(try psis(.gradients).0 == 4 * facts.trainable * 4)
    }

    @Test func keptParametersAreGatheredOnce() throws {
        let (moved, _, facts) = try measure(.parameters, ranks: 2, microBatches: 3) {
            $0.sharding.keepsGatheredInWindow = true
        }[0]
        #expect(moved == (3 * facts.trainable + facts.used) * 4)
    }

    @Test func bfloat16TravelsInTwoBytes() throws {
        let (moved, _, facts) = try measure(.gradients, ranks: 2) { $0.precision = .bfloat16 }[0]
        #expect(moved == 2 * facts.trainable * 2)
    }

    /// bf16 with fp32 masters, AdamW and an fp32 gradient at the shard: 18 psi; 2 psi + 16 psi / N;
    /// 18 psi / N.
    @Test(arguments: [1, 2, 4])
    func aRankHoldsItsShareOfTheStates(_ ranks: Int) throws {
        for strategy in ShardingStrategy.allCases {
            let measured = try measure(strategy, ranks: ranks) { $0.precision = .bfloat16 }
            let facts = measured[0].engine
            let copies = strategy == .none || ranks == 1 ? ranks : 1
            func total(_ kind: (StateBytes) -> Int) -> Int {
                measured.reduce(0) { $0 + kind($1.bytes) }
            }
            let weights = 2 * (facts.trainable + facts.frozen)
            #expect(total(\.parameters) == weights * (strategy == .parameters ? copies : ranks))
            #expect(total(\.masters) == 4 * facts.trainable * copies)
            #expect(total(\.gradients) == 4 * facts.trainable * copies)
            // Padding has no moments.
            #expect(total(\.moments) == 8 * facts.trained * copies)
            #expect(Set(measured.map(\.bytes.masters)).count == 1, "equal shares")
        }
    }
}
