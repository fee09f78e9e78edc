import ApusBase
import ApusComm
import ApusOptim
import ApusShard
import ApusTensor
import ApusZeRO

/// A model of bare tensors that announces its runs by hand: a tied embedding, three blocks with a
/// frozen part each, one of them used twice, and a parameter that nothing uses.
final class ToyModel {
    static let vocabulary = 13
    static let width = 6

    struct Shape {
        var usesBlockTwice = true
        var skippedBlock: Int?
        var recomputes = false
    }

    let engine: Engine
    var shape = Shape()
    private let blocks = 3

    init(_ group: any ProcessGroup, _ options: EngineOptions) throws {
        var specs = [Self.spec("embedding", [Self.vocabulary, Self.width], unit: 0)]
        for block in 0..<3 {
            specs += [
                Self.spec("\(block).w", [Self.width, Self.width], unit: block + 1),
                Self.spec("\(block).b", [Self.width], unit: block + 1),
                Self.spec("\(block).scale", [Self.width], unit: block + 1, isTrainable: false),
            ]
        }
        specs.append(Self.spec("unused", [5], unit: 4))
        engine = try Engine(
            specs: specs, unitNames: ["root", "block 0", "block 1", "block 2", "spare"],
            options: options, group: group)
        try engine.load { spec, elements, values in
            for (place, element) in elements.enumerated() {
                values[place] = Self.initialValue(spec.name, element)
            }
        }
    }

    static let parameterCount = 11

    private static func spec(
        _ name: String, _ shape: [Int], unit: Int, isTrainable: Bool = true
    ) -> ParameterSpec {
        ParameterSpec(
            name: name, shape: shape, unit: unit, isTrainable: isTrainable,
            decays: shape.count > 1)
    }

    static func initialValue(_ name: String, _ element: Int) -> Float {
        if name.hasSuffix("scale") { return 1 + Float(element) / 16 }
        var random = SplitMix64(seed: UInt64(element * 131) &+ UInt64(name.utf8.count) &* 7919)
        return Float(Int(random.next() % 2001) - 1000) / 2500
    }

    // MARK: Computing

    /// The summed loss of predicting tokens from others, with the tied head.
    func loss(_ tokens: [Int]) -> Tensor {
        let indices = Tensor(tokens, shape: [tokens.count])
        // Rows of four tokens, each backwards.
        let targets = indices.reshape(-1, 4).flip(1).reshape(-1)
        var x = run(0, []) { _ in self.parameter(0).embedding(indices) }
        var order = [0, 1, 2]
        if shape.usesBlockTwice { order.append(1) }
        for block in order where block != shape.skippedBlock {
            x = run(block + 1, [x]) { self.block(block, $0[0]) }
        }
        return run(0, [x]) { inputs in
            let logits = inputs[0].matmul(self.parameter(0).transposed)
            return logits.to(.float32).crossEntropy(targets, reduction: .sum)
        }
    }

    private func block(_ block: Int, _ x: Tensor) -> Tensor {
        let first = 1 + 3 * block
        let body: ([Tensor]) -> [Tensor] = { inputs in
            let mixed = inputs[0].matmul(self.parameter(first)) + self.parameter(first + 1)
            return [inputs[0] + mixed.tanh() * self.parameter(first + 2)]
        }
        return shape.recomputes ? checkpointed([x], body)[0] : body([x])[0]
    }

    func parameter(_ index: Int) -> Tensor { engine.tensor(ofParameter: index) }

    /// The five notifications, written by hand.
    private func run(
        _ unit: Int, _ inputs: [Tensor], _ body: @escaping ([Tensor]) -> Tensor
    ) -> Tensor {
        let engine = engine
        engine.willForward(unit)
        guard isGradientEnabled else {
            defer { engine.didForward(unit, isRecorded: false, isClosed: false) }
            return body(inputs)
        }
        let entered = Self.boundary(inputs) { engine.didBackward(unit) }
        let output = body(entered)
        engine.didForward(unit, isRecorded: true, isClosed: !inputs.isEmpty)
        return Self.boundary([output]) { engine.willBackward(unit) }[0]
    }

    private static func boundary(_ tensors: [Tensor], _ tell: @escaping () -> Void) -> [Tensor] {
        customGradient("boundary", inputs: tensors) {
            tensors
        } backward: { gradients in
            tell()
            return gradients
        }
    }

    // MARK: Training

    /// All parameters' values as fp32.
    func values() throws -> [[Float]] {
        try engine.withGathered(Array(0..<Self.parameterCount)) { $0.map { $0.floats() } }
    }

    /// One optimizer step on the given micro-batches of this rank.
    func step(_ batches: [[Int]], tokens: Int, rate: Double = 0.01) throws -> Step {
        try engine.beginWindow(gradientScale: 1 / Double(tokens))
        var total = 0.0
        for (index, batch) in batches.enumerated() {
            let loss = try engine.computing { self.loss(batch) }
            try engine.backward(loss, isLast: index == batches.count - 1)
            total += loss.detached().item()
        }
        let (outcome, shared) = try engine.step(learningRate: rate, sharing: [total])
        guard case .updated(let norm) = outcome else { return Step(loss: .nan, norm: .nan) }
        return Step(loss: shared.reduce(0) { $0 + $1[0] } / Double(tokens), norm: norm)
    }
}

/// What a step reported.
struct Step: Sendable, Equatable {
    var loss: Double
    var norm: Double
}

/// Steps of training, dealt to ranks and micro-batches.
struct ToyRun: Sendable {
    var ranks = 1
    var accumulation = 1
    var steps = 30
    var strategy = ShardingStrategy.none
    var recomputes = false
    var adjust: @Sendable (inout EngineOptions) -> Void = { _ in }

    struct Result: Sendable, Equatable {
        var steps: [Step]
        var values: [[Float]]
    }

    /// Every rank's result.
    func results() throws -> [Result] {
        try LoopbackWorld.run(ranks) { group in
            var options = EngineOptions()
            options.rule = AdamW(beta1: 0.9, beta2: 0.95)
            options.weightDecay = 0.1
            options.maximumGradientNorm = 0.5
            options.sharding.strategy = strategy
            adjust(&options)
            let toy = try ToyModel(group, options)
            toy.shape.recomputes = recomputes
            var random = SplitMix64(seed: 5)
            let steps = try (0..<steps).map { _ in
                // 48 rows of 4 tokens, whatever the split.
                let rows = (0..<48).map { _ in
                    (0..<4).map { _ in Int.random(in: 0..<ToyModel.vocabulary, using: &random) }
                }
                let each = rows.count / ranks
                let own = rows[group.rank * each..<(group.rank + 1) * each]
                let batches = (0..<accumulation).map { index in
                    own.prefix((index + 1) * each / accumulation)
                        .dropFirst(index * each / accumulation).flatMap { $0 }
                }
                return try toy.step(batches, tokens: 192)
            }
            return Result(steps: steps, values: try toy.values())
        }
    }

    func result() throws -> Result { try results()[0] }
}
