import ApusBase
import ApusComm
import ApusOptim
import ApusShard
import ApusTensor
import ApusZeRO
import Testing

/// A chain of layers of random sizes, some frozen, some of a dtype of their own.
private final class RandomChain {
    let engine: Engine
    private let sizes: [Int]

    init(_ group: any ProcessGroup, _ options: EngineOptions, seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let depth = Int.random(in: 1...5, using: &random)
        let sizes = (0...depth).map { _ in Int.random(in: 1...40, using: &random) }
        self.sizes = sizes
        var specs: [ParameterSpec] = []
        for layer in 0..<depth {
            let ownType = Int.random(in: 0..<5, using: &random) == 0 ? DType.float32 : nil
            specs.append(
                ParameterSpec(
                    name: "\(layer).w", shape: [sizes[layer], sizes[layer + 1]], unit: layer,
                    isTrainable: layer == 0 || Int.random(in: 0..<4, using: &random) > 0,
                    decays: true, dtype: ownType))
            specs.append(
                ParameterSpec(
                    name: "\(layer).b", shape: [sizes[layer + 1]], unit: layer, decays: false,
                    dtype: ownType))
        }
        engine = try Engine(
            specs: specs, unitNames: (0..<depth).map { "layer \($0)" }, options: options,
            group: group)
        try engine.load { spec, elements, values in
            for (place, element) in elements.enumerated() {
                values[place] = ToyModel.initialValue(spec.name, element) * 0.5
            }
        }
    }

    /// - skipped: a layer that is passed by where its sizes allow
    func loss(seed: Int, skipping skipped: Int) -> Tensor {
        let numbers = (0..<3 * sizes[0]).map { Float(($0 * 7 + seed * 13) % 11) / 11 - 0.5 }
        var x = Tensor(numbers, shape: [3, sizes[0]])
        for layer in 0..<sizes.count - 1 {
            if layer == skipped, sizes[layer] == sizes[layer + 1] { continue }
            x = run(layer, x) { x in
                let w = self.engine.tensor(ofParameter: 2 * layer)
                let b = self.engine.tensor(ofParameter: 2 * layer + 1)
                return (x.to(w.dtype).matmul(w) + b).to(.float32).tanh()
            }
        }
        return (x - 0.3).square().sum()
    }

    private func run(_ unit: Int, _ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor {
        let engine = engine
        engine.willForward(unit)
        let isClosed = x.requiresGradient
        let entered =
            isClosed
            ? customGradient("enter", inputs: [x]) {
                [x]
            } backward: {
                engine.didBackward(unit)
                return $0
            }[0] : x
        let output = body(entered)
        engine.didForward(unit, isRecorded: true, isClosed: isClosed)
        return customGradient("leave", inputs: [output]) {
            [output]
        } backward: {
            engine.willBackward(unit)
            return $0
        }[0]
    }
}

/// Three hundred steps of random models: memory stays flat, and the numbers are those of one rank.
@Suite struct SoakTests {
    struct Outcome: Sendable {
        var losses: [Double] = []
        var early = StateBytes()
        var late = StateBytes()
    }

    private func run(
        _ seed: UInt64, ranks: Int, _ adjust: @escaping @Sendable (inout EngineOptions) -> Void
    ) throws -> Outcome {
        try LoopbackWorld.run(ranks) { group in
            var options = EngineOptions()
            adjust(&options)
            let chain = try RandomChain(group, options, seed: seed)
            var random = SplitMix64(seed: seed)
            var outcome = Outcome()
            for step in 0..<20 {
                let skipped = Int.random(in: -3...4, using: &random)
                try chain.engine.beginWindow(gradientScale: 1 / Double(ranks))
                let micro = Int.random(in: 1...2, using: &random)
                for index in 0..<micro {
                    let loss = try chain.engine.computing {
                        chain.loss(seed: 2 * step + index, skipping: skipped)
                    }
                    try chain.engine.backward(loss, isLast: index == micro - 1)
                    outcome.losses.append(loss.detached().item())
                }
                _ = try chain.engine.step(learningRate: 0.01)
                if step == 5 { outcome.early = chain.engine.stateBytes }
            }
            outcome.late = chain.engine.stateBytes
            return outcome
        }[0]
    }

    @Test(arguments: 1...15)
    func randomModelsTrainAlike(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed &* 77)
        let ranks = Int.random(in: 2...5, using: &random)
        let strategy = ShardingStrategy.allCases.randomElement(using: &random)!
        let prefetch = [0, 500, 1 << 20].randomElement(using: &random)!
        let precision = [PrecisionPolicy.float32, .bfloat16].randomElement(using: &random)!
        let reference = try run(seed, ranks: 1) { $0.precision = precision }
        let sharded = try run(seed, ranks: ranks) {
            $0.precision = precision
            $0.sharding.strategy = strategy
            $0.sharding.prefetchBytes = prefetch
        }
        #expect(sharded.early == sharded.late, "memory is flat")
        let bound = precision == .float32 ? 1e-4 : 5e-2
        for (a, b) in zip(sharded.losses, reference.losses) {
            #expect(abs(a - b) <= bound * max(abs(b), 0.1), "\(strategy) on \(ranks)")
        }
    }
}
