import ApusBase
import ApusOptim
import Testing

@Suite("Update rules") struct UpdateRuleTests {
    /// A rule as the golden file names it.
    private func rule(of json: JSON) throws -> any UpdateRule {
        switch try #require(json["rule"]?.stringValue) {
        case "adamw":
            return AdamW(
                beta1: try json.number("beta1"), beta2: try json.number("beta2"),
                epsilon: try json.number("epsilon"))
        case "lion":
            return Lion(beta1: try json.number("beta1"), beta2: try json.number("beta2"))
        case "sgd":
            return SGD(
                momentum: try json.number("momentum"), dampening: try json.number("dampening"),
                nesterov: json["nesterov"] == true)
        case "muon":
            return Muon(
                momentum: try json.number("momentum"), nesterov: json["nesterov"] == true,
                scaling: json["scaling"] == "original" ? .original : .matchingAdamW)
        default:
            return Adafactor()
        }
    }

    /// How far two weights are apart, in units of the larger of the weight and the learning rate:
    /// an update of one learning rate cannot be more exact than its own last place.
    private func distance(_ a: Float, _ b: Float, learningRate: Double) -> Double {
        abs(Double(a) - Double(b)) / max(abs(Double(b)), learningRate)
    }

    @Test(arguments: 0..<12)
    func followsTheReference(index: Int) throws {
        let file = try fixture("optimizers.json")
        let json = try #require(file["cases"]?.arrayValue)[index]
        let shape = try json.ints("shape")
        let count = shape.reduce(1, *)
        let initial = try #require(file["initial_weights"]).floats()
        let gradients = try #require(file["gradients"]?.arrayValue).map { try $0.floats() }
        let expected = try #require(json["weights"]?.arrayValue).map { try $0.floats() }
        let learningRate = try json.number("learning_rate")
        var run = RuleRun(
            try rule(of: json), shape: shape, weights: Array(initial[..<count]))
        for (gradient, weights) in zip(gradients, expected) {
            run.update(
                OwnedFloats(Array(gradient[..<count])), learningRate: learningRate,
                weightDecay: try json.number("weight_decay"),
                gradientScale: Float(try file.number("gradient_scale")))
            let distances = zip(run.weights.values, weights).map {
                distance($0, $1, learningRate: learningRate)
            }
            // Four units in the last place of fp32; Adafactor's means are summed in another order,
            // and Muon's matrices are rounded to bf16 in the middle.
            let bounds = ["adafactor": 8.0e-7, "muon": 0.03]
            let bound = bounds[run.rule.name] ?? 4.8e-7
            #expect(distances.max()! <= bound)
        }
    }

    private static let elementwise: [any UpdateRule] = [
        AdamW(), AdamW(beta1: 0.2), Lion(), SGD(), SGD(momentum: 0.9),
        SGD(momentum: 0.9, nesterov: true),
    ]

    /// Weights, states and rounded weights after three updates.
    private func outcome(
        _ rule: any UpdateRule, gradient dtype: DType, rounded: DType = .bfloat16,
        cuts: [Int] = []
    ) -> [[Float]] {
        var random = SplitMix64(seed: 5)
        let count = 2 * 1024 + 77
        var run = RuleRun(
            rule, shape: [count], weights: random.floats(count), rounded: rounded)
        for _ in 0..<3 {
            let gradient = OwnedFloats(random.floats(count), as: dtype)
            run.update(
                gradient, learningRate: 0.01, weightDecay: 0.1, gradientScale: 0.3, cuts: cuts)
        }
        return [run.weights.values, run.rounded!.values] + run.states.map(\.values)
    }

    @Test("The same bits with every instruction set", arguments: [
        DType.float32, .bfloat16, .float16,
    ])
    func instructionSets(dtype: DType) {
        for rule in UpdateRuleTests.elementwise + [Adafactor()] {
            var outcomes: [[[Float]]] = []
            withEachInstructionSet { outcomes.append(outcome(rule, gradient: dtype)) }
            #expect(outcomes.allSatisfy { $0 == outcomes[0] }, "\(rule)")
        }
    }

    @Test("The same bits however a shard is cut")
    func cuts() {
        for rule in UpdateRuleTests.elementwise {
            let whole = outcome(rule, gradient: .bfloat16)
            let pieces = outcome(rule, gradient: .bfloat16, cuts: [1, 14, 15, 700, 1900])
            #expect(whole == pieces, "\(rule)")
        }
    }

    @Test("The low-precision copy is the rounded weights", arguments: [DType.bfloat16, .float16])
    func roundedCopy(dtype: DType) {
        for rule in UpdateRuleTests.elementwise + [Adafactor()] {
            let outcome = outcome(rule, gradient: .float32, rounded: dtype)
            let expected = OwnedFloats(outcome[0], as: dtype).values
            #expect(outcome[1] == expected, "\(rule)")
        }
    }

    @Test("Adafactor keeps rows and columns of a wide and of a tall matrix", arguments: [
        [3, 2500], [300, 7],
    ])
    func adafactorShapes(shape: [Int]) {
        var random = SplitMix64(seed: 9)
        let count = shape[0] * shape[1]
        let gradient = random.floats(count, exponents: -3...0)
        var run = RuleRun(
            Adafactor(), shape: shape, weights: [Float](repeating: 0, count: count))
        run.update(OwnedFloats(gradient), learningRate: 1)
        let squares = gradient.map { Double($0) * Double($0) }
        for row in 0..<shape[0] {
            let mean = squares[row * shape[1]..<(row + 1) * shape[1]].reduce(0, +)
            let expected = mean / Double(shape[1])
            #expect(abs(Double(run.states[0].values[row]) / expected - 1) < 1e-6)
        }
        let columns = run.states[1].values
        for column in 0..<shape[1] {
            let sum = stride(from: column, to: count, by: shape[1]).reduce(0) {
                $0 + squares[$1]
            }
            #expect(abs(Double(columns[column]) / (sum / Double(shape[0])) - 1) < 1e-6)
        }
        // At the first step the update's root mean square is about 1 and clipped to it.
        let size = run.weights.values.reduce(0) { $0 + Double($1) * Double($1) }
        #expect((size / Double(count)).squareRoot() <= 1.00001)
    }

    @Test("Nothing to update is no error")
    func empty() {
        for rule in UpdateRuleTests.elementwise + [Adafactor()] {
            var run = RuleRun(rule, shape: [0], weights: [])
            run.update(OwnedFloats([]), learningRate: 1)
            #expect(run.weights.values.isEmpty)
        }
    }

    @Test("A gradient that is not finite reaches the weights")
    func nonFinite() {
        for rule in UpdateRuleTests.elementwise {
            var run = RuleRun(rule, shape: [3], weights: [1, 1, 1])
            run.update(OwnedFloats([0, .nan, 0]), learningRate: 0.1)
            #expect(run.weights.values.map(\.isNaN) == [false, true, false], "\(rule)")
        }
    }
}
