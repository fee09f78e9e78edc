import ApusBase
import ApusOptim
import ApusTensor
import Testing

/// What a GPU does in tensor operations is what the host's kernel does.
@Suite struct TensorFormTests {
    @Test func adamWUpdatesAlike() {
        let count = 37
        let weights = (0..<count).map { Float($0) / 7 - 2 }
        var run = RuleRun(AdamW(beta1: 0.9, beta2: 0.95), shape: [count], weights: weights)
        let tensor = Tensor(weights)
        let (first, second) = (Tensor.zeros([count]), Tensor.zeros([count]))
        for step in 1...4 {
            let gradient = (0..<count).map { Float(($0 * step) % 11) / 50 - 0.1 }
            run.update(
                OwnedFloats(gradient), learningRate: 0.01, weightDecay: 0.1, gradientScale: 0.5)
            AdamW(beta1: 0.9, beta2: 0.95).updateTensors(
                weights: tensor, gradient: Tensor(gradient), first: first, second: second,
                HyperParameters(
                    learningRate: 0.01, weightDecay: 0.1, step: step, gradientScale: 0.5))
            for (a, b) in zip(tensor.floats(), run.weights.values) {
                #expect(abs(a - b) <= 1e-6 * max(1, abs(b)))
            }
        }
    }
}
