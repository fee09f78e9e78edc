import ApusBase
import ApusComm
import ApusOptim
import ApusShard
import ApusTensor
import ApusZeRO
import Testing

/// Whole parameters, gradients and states out of shards, and back.
@Suite struct AccessTests {
    private func world<Result: Sendable>(
        _ ranks: Int, _ strategy: ShardingStrategy,
        _ adjust: @escaping @Sendable (inout EngineOptions) -> Void = { _ in },
        _ body: @escaping @Sendable (ToyModel) throws -> Result
    ) throws -> [Result] {
        try LoopbackWorld.run(ranks) { group in
            var options = EngineOptions()
            options.sharding.strategy = strategy
            adjust(&options)
            return try body(ToyModel(group, options))
        }
    }

    private static func rows(_ rank: Int) -> [Int] { (0..<4).map { ($0 * 3 + rank * 5) % 13 } }

    @Test(arguments: ShardingStrategy.allCases)
    func gradientsAndStatesAreWhole(_ strategy: ShardingStrategy) throws {
        struct Whole: Sendable, Equatable {
            var gradient: [Float]
            var moment: [Float]
            var norms: [Int: Double]
        }
        func measure(_ ranks: Int, _ strategy: ShardingStrategy) throws -> [Whole] {
            try world(ranks, strategy) { toy in
                let batches =
                    ranks == 1 ? [Self.rows(0), Self.rows(1)] : [Self.rows(toy.engine.group.rank)]
                _ = try toy.step(batches, tokens: 8)
                #expect(try toy.engine.fullGradient(ofParameter: 3) == nil, "frozen")
                #expect(try toy.engine.fullState("nothing", ofParameter: 1) == nil)
                return Whole(
                    gradient: try toy.engine.fullGradient(ofParameter: 1)?.floats() ?? [],
                    moment: try toy.engine.fullState("firstMoment", ofParameter: 1)?.floats() ?? [],
                    norms: try toy.engine.gradientNorms())
            }
        }
        let reference = try measure(1, .none)[0]
        #expect(reference.norms.count == 8, "three blocks, the root and the spare part")
        let squares = reference.gradient.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(reference.norms[1]! - squares.squareRoot()) < 1e-7)
        for whole in try measure(2, strategy) {
            #expect(whole.gradient.count == 36 && whole.moment.count == 36)
            for (a, b) in zip(whole.gradient, reference.gradient) { #expect(abs(a - b) < 1e-6) }
            for (a, b) in zip(whole.moment, reference.moment) { #expect(abs(a - b) < 1e-6) }
            for (index, norm) in reference.norms {
                #expect(abs(whole.norms[index]! - norm) < 1e-6)
            }
        }
    }

    @Test(arguments: ShardingStrategy.allCases)
    func changesAreKept(_ strategy: ShardingStrategy) throws {
        let results = try world(3, strategy) { toy in
            try toy.engine.change([1, 2]) { tensors in
                tensors[0].select(0, 2).fillInPlace(7)
                tensors[1].multiplyInPlace(2)
            }
            return try toy.values()
        }
        for values in results {
            #expect(Array(values[1][12..<18]) == [7, 7, 7, 7, 7, 7])
            #expect(values[1][0] == ToyModel.initialValue("0.w", 0))
            #expect(values[2][3] == 2 * ToyModel.initialValue("0.b", 3))
        }
    }

    /// bf16 weights are rounded masters; those that nobody touched keep their precision.
    @Test func untouchedMastersStayPrecise() throws {
        let masters = try world(2, .parameters, { $0.precision = .bfloat16 }) { toy in
            try toy.engine.change([1]) { $0[0].select(0, 0).fillInPlace(3) }
            return toy.engine.stateSlices().filter { $0.parameter == "0.w" && $0.kind == .weight }
                .map { ($0.elements, $0.memory.floats()) }
        }
        for (elements, values) in masters.joined() {
            for (place, element) in elements.enumerated() {
                let expected = element < 6 ? 3 : ToyModel.initialValue("0.w", element)
                #expect(values[place] == expected)
            }
        }
    }

    @Test func changesThatDifferAreRefused() throws {
        let results = LoopbackWorld.results(2) { group in
            var options = EngineOptions()
            options.sharding.strategy = .parameters
            let toy = try ToyModel(group, options)
            try toy.engine.change([1]) { $0[0].fillInPlace(Double(group.rank)) }
        }
        for result in results {
            guard case .failure(let error as EngineError) = result else {
                Issue.record("not refused")
                continue
            }
            #expect(error.summary.contains("rank 1 changed 0.w to other values"))
        }
    }

    /// What a checkpoint does: all slices out, and into an engine of another shape.
    @Test(arguments: ShardingStrategy.allCases, ShardingStrategy.allCases)
    func statesMoveBetweenStrategies(_ from: ShardingStrategy, _ to: ShardingStrategy) throws {
        struct Saved: Sendable {
            var name, kind: String
            var elements: Range<Int>
            var values: [Float]
        }
        let rule: @Sendable (inout EngineOptions) -> Void = { $0.precision = .bfloat16 }
        @Sendable func continued(_ toy: ToyModel) throws -> [Step] {
            let row = Self.rows(0)
            return try (0..<3).map { _ in try toy.step([row], tokens: 4) }
        }
        let saved = try world(3, from, rule) { toy in
            _ = try toy.step([Self.rows(0)], tokens: 12)
            return toy.engine.stateSlices().map {
                Saved(
                    name: $0.parameter, kind: "\($0.kind)", elements: $0.elements,
                    values: $0.memory.floats())
            }
        }
        let all = saved.flatMap { $0 }
        let original = try world(3, from, rule) { toy in
            _ = try toy.step([Self.rows(0)], tokens: 12)
            return try continued(toy)
        }
        let moved = try world(2, to, rule) { toy in
            try toy.engine.restore(updateCount: 1) { slices in
                for slice in slices {
                    for part in all
                    where part.name == slice.parameter && part.kind == "\(slice.kind)" {
                        let common = part.elements.clamped(to: slice.elements)
                        guard let first = common.first else { continue }
                        let source = Tensor(part.values)
                        let from = first - part.elements.lowerBound
                        let to = first - slice.elements.lowerBound
                        slice.memory.slice(0, to..<to + common.count).copyInPlace(
                            from: source.slice(0, from..<from + common.count))
                    }
                }
            }
            return try continued(toy)
        }
        // Two ranks with the same row each, scaled alike, give what three do but for the count.
        for (a, b) in zip(moved[0], original[0]) {
            #expect(abs(a.loss / 2 - b.loss / 3) < 2e-2)
        }
        #expect(moved[0] == moved[1])
    }
}

/// Passes that are not like the last one.
@Suite struct OrderTests {
    private func world<Result: Sendable>(
        _ ranks: Int, _ strategy: ShardingStrategy, prefetch: Int = 1 << 20,
        _ body: @escaping @Sendable (ToyModel) throws -> Result
    ) throws -> [Result] {
        try LoopbackWorld.run(ranks) { group in
            var options = EngineOptions()
            options.sharding.strategy = strategy
            options.sharding.prefetchBytes = prefetch
            return try body(ToyModel(group, options))
        }
    }

    /// Skipped and doubled blocks, evaluation in between, windows of any length, two losses over
    /// one graph: the numbers of the unsharded run.
    @Test(arguments: [1, 2, 3])
    func anyOrderGivesTheSameNumbers(_ seed: UInt64) throws {
        func run(_ ranks: Int, _ strategy: ShardingStrategy, _ prefetch: Int) throws -> [Double] {
            try world(ranks, strategy, prefetch: prefetch) { toy in
                var random = SplitMix64(seed: seed)
                var results: [Double] = []
                for _ in 0..<25 {
                    toy.shape.usesBlockTwice = Bool.random(using: &random)
                    toy.shape.skippedBlock = Int.random(in: -1...2, using: &random)
                    toy.shape.recomputes = Bool.random(using: &random)
                    let micro = Int.random(in: 1...3, using: &random)
                    let rows = (0..<micro).map { _ in
                        (0..<4).map { _ in Int.random(in: 0..<13, using: &random) }
                    }
                    let evaluates = Bool.random(using: &random)
                    let twice = Bool.random(using: &random)
                    let share = 1 / Double(ranks)
                    try toy.engine.beginWindow(gradientScale: share / Double(4 * micro))
                    for (index, row) in rows.enumerated() {
                        let isLast = index == micro - 1
                        let loss = try toy.engine.computing { toy.loss(row) }
                        if twice {
                            try toy.engine.backward(
                                loss * 0.25, isLast: false, retainsGraph: true)
                            try toy.engine.backward(loss * 0.75, isLast: isLast)
                        } else {
                            try toy.engine.backward(loss, isLast: isLast)
                        }
                        results.append(loss.detached().item())
                        if evaluates {
                            results.append(
                                try toy.engine.computing {
                                    withoutGradient { toy.loss(row).item() }
                                })
                        }
                    }
                    guard case .updated(let norm) = try toy.engine.step(learningRate: 0.01) else {
                        return []
                    }
                    results.append(norm)
                }
                return results
            }[0]
        }
        let reference = try run(1, .none, 0)
        #expect(reference.count > 50)
        for strategy in ShardingStrategy.allCases {
            for (ranks, prefetch) in [(2, 1 << 20), (3, 400)] {
                let other = try run(ranks, strategy, prefetch)
                #expect(other.count == reference.count)
                for (a, b) in zip(other, reference) { #expect(abs(a - b) <= 2e-5 * abs(b)) }
            }
        }
    }

    /// A rank without a micro-batch in a short last window.
    @Test(arguments: [ShardingStrategy.none, .optimizerState, .gradients])
    func ranksMaySkipAMicroBatch(_ strategy: ShardingStrategy) throws {
        let rows = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
        func run(_ ranks: Int, _ strategy: ShardingStrategy) throws -> [[Float]] {
            try world(ranks, strategy) { toy in
                for _ in 0..<3 {
                    try toy.engine.beginWindow(gradientScale: 1.0 / 12)
                    let rank = toy.engine.group.rank
                    let own = ranks == 1 ? rows : rank == 0 ? [rows[0], rows[2]] : [rows[1]]
                    for step in 0..<(ranks == 1 ? 3 : 2) {
                        let isLast = step == (ranks == 1 ? 2 : 1)
                        guard step < own.count else {
                            try toy.engine.skipMicroBatch(isLast: isLast)
                            continue
                        }
                        let loss = try toy.engine.computing { toy.loss(own[step]) }
                        try toy.engine.backward(loss, isLast: isLast)
                    }
                    _ = try toy.engine.step(learningRate: 0.01)
                }
                return try toy.values()
            }[0]
        }
        let reference = try run(1, .none)
        for (values, expected) in zip(try run(2, strategy), reference) {
            for (a, b) in zip(values, expected) { #expect(abs(a - b) < 1e-5) }
        }
    }

    @Test func moreRanksThanElementsIsFine() throws {
        let values = try world(5, .parameters) { toy in
            _ = try toy.step([[1, 2, 3, 4]], tokens: 20)
            return try toy.values()
        }
        #expect(Set(values.map { $0[2] }).count == 1)
        #expect(values[0][2] != (0..<6).map { ToyModel.initialValue("0.b", $0) })
    }

    /// A rank that leaves during another's forward is an error with its words, not a crash.
    @Test func aPeerThatLeavesIsNamed() throws {
        let results = LoopbackWorld.results(2) { group in
            var options = EngineOptions()
            options.sharding.strategy = .parameters
            let toy = try ToyModel(group, options)
            _ = try toy.step([[1, 2, 3, 4]], tokens: 8)
            guard group.rank == 0 else {
                group.leave("the disk is full")
                return
            }
            _ = try toy.step([[1, 2, 3, 4]], tokens: 8)
        }
        guard case .failure(let error as CommError) = results[0] else {
            Issue.record("no CommError: \(results[0])")
            return
        }
        #expect(error.code == .peerLeft && error.summary.contains("the disk is full"))
    }
}

@Suite struct LossScalerTests {
    @Test func movesByTheFieldsRules() {
        var policy = LossScalePolicy()
        policy.initial = 8
        policy.window = 2
        policy.minimum = 2
        var scaler = LossScaler(policy)
        func after(_ steps: Bool...) -> Double {
            for isFinite in steps { scaler.update(isFinite: isFinite) }
            return scaler.scale
        }
        #expect(after(false) == 8, "one overflow is borne")
        #expect(after(false) == 4)
        #expect(after(false) == 2)
        #expect(after(false) == 2, "the minimum")
        #expect(after(true) == 2)
        #expect(after(true) == 4, "after the window")
        #expect(after(false, true, true) == 8, "an overflow restarts the window")
    }

    @Test func aFixedScaleStays() {
        var scaler = LossScaler(.fixed(128))
        for _ in 0..<2000 { scaler.update(isFinite: true) }
        scaler.update(isFinite: false)
        #expect(scaler.scale == 128)
    }

    /// fp16 gradients that overflow skip the step on all ranks and lower the scale.
    @Test(arguments: ShardingStrategy.allCases)
    func overflowSkipsOnAllRanks(_ strategy: ShardingStrategy) throws {
        let results = try LoopbackWorld.run(2) { group in
            var options = EngineOptions()
            options.sharding.strategy = strategy
            options.precision = .float16
            options.precision.lossScale?.initial = 1e9
            options.precision.lossScale?.hysteresis = 1
            let toy = try ToyModel(group, options)
            let before = try toy.values()
            let first = try toy.step([[1, 2, 3, 4]], tokens: 8)
            let isSame = try toy.values() == before
            var steps = 1
            while toy.engine.updateCount == 0, steps < 40 {
                _ = try toy.step([[1, 2, 3, 4]], tokens: 8)
                steps += 1
            }
            let isScaled = toy.engine.lossScaler.map { $0.scale < 1e9 } ?? false
            return first.loss.isNaN && isSame && isScaled && toy.engine.updateCount == 1
        }
        #expect(results == [true, true])
    }
}
