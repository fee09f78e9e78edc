import ApusBase
import ApusTensor
import Testing

/// Fused operations against the same formulae in plain tensor operations, forward and backward.
@Suite("Fused operations") struct FusedTests {
    /// Deterministic values in -1.5 ... 1.5.
    private func tensor(_ shape: [Int], seed: UInt64, dtype: DType = .float32) -> Tensor {
        var random = SplitMix64(seed: seed)
        let values = (0..<shape.reduce(1, *)).map { _ in
            Float.random(in: -1.5...1.5, using: &random)
        }
        return Tensor(values).reshape(shape).to(dtype)
    }

    /// The output and the gradients of leaves made from `inputs`, all as doubles.
    private func outcome(
        _ inputs: [Tensor], _ body: ([Tensor]) -> Tensor
    ) throws -> [[Double]] {
        let leaves = inputs.map { $0.detached().requiringGradient() }
        let output = body(leaves)
        // Weights that differ by element, so that no gradient can hide in a sum; exact in bf16.
        let weights = tensor(output.shape, seed: 99, dtype: .bfloat16).to(output.dtype)
        (output * weights).sum().backward()
        return [output.doubles()] + leaves.map { $0.gradient?.doubles() ?? [] }
    }

    private func expectEqual(
        _ found: [[Double]], _ expected: [[Double]], tolerance: Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (a, b) in zip(found, expected) {
            #expect(a.count == b.count && !a.isEmpty, sourceLocation: sourceLocation)
            let worst = zip(a, b).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
            #expect(worst <= tolerance, sourceLocation: sourceLocation)
        }
    }

    @Test("Root-mean-square normalisation", arguments: [DType.float32, .bfloat16])
    func rmsNorm(dtype: DType) throws {
        let x = tensor([2, 150, 24], seed: 1, dtype: dtype)
        let weight = tensor([24], seed: 2, dtype: dtype)
        let fused = try outcome([x, weight]) { $0[0].rmsNorm(weight: $0[1], epsilon: 1e-5) }
        let plain = try outcome([x.to(.float64), weight.to(.float64)]) { inputs in
            let square = (inputs[0] * inputs[0]).mean(-1, keepDims: true)
            return inputs[0] * (square + 1e-5).rsqrt() * inputs[1]
        }
        expectEqual(fused, plain, tolerance: dtype == .float32 ? 2e-6 : 1.2e-2)
    }

    @Test("Gated activation", arguments: [DType.float32, .bfloat16])
    func swiGLU(dtype: DType) throws {
        let gate = tensor([5, 33], seed: 3, dtype: dtype)
        // A view that is not contiguous.
        let up = tensor([33, 5], seed: 4, dtype: dtype).transposed
        let fused = try outcome([gate, up]) { $0[0].swiGLU($0[1]) }
        let plain = try outcome([gate.to(.float64), up.to(.float64)]) { $0[0].silu() * $0[1] }
        expectEqual(fused, plain, tolerance: dtype == .float32 ? 1e-6 : 8e-3)
    }

    @Test("Rotary embedding of all or part of a head, in any layout", arguments: [8, 6])
    func rotary(width: Int) throws {
        let x = tensor([2, 7, 3, 8], seed: 5)
        let half = tensor([2, 1, 7, width / 2], seed: 6)
        let angles = Tensor.concatenate([half, half], dim: -1)
        let (cosines, sines) = (angles.cos(), angles.sin())
        let fused = try outcome([x]) { leaves in
            leaves[0].transpose(1, 2).rotated(cosines: cosines, sines: sines)
        }
        let plain = try outcome([x]) { leaves in
            let parts = leaves[0].transpose(1, 2).split([width / 2, width / 2, 8 - width])
            let (low, high) = (parts[0], parts[1])
            let c = half.cos()
            let s = half.sin()
            return Tensor.concatenate(
                [low * c - high * s, high * c + low * s, parts[2]], dim: -1)
        }
        expectEqual(fused, plain, tolerance: 1e-6)
    }

    private func plainCrossEntropy(_ logits: Tensor, _ targets: [Int?], smoothing: Double) -> Tensor
    {
        let logProbabilities = logits.logSoftmax()
        var total = Tensor.zeros([], dtype: logits.dtype)
        for (row, target) in targets.enumerated() {
            guard let target else { continue }
            let hit = logProbabilities[row][target] * (smoothing - 1)
            total = total + hit - logProbabilities[row].mean() * smoothing
        }
        return total
    }

    @Test("Cross-entropy", arguments: [0, 0.1])
    func crossEntropy(smoothing: Double) throws {
        let logits = tensor([4, 300], seed: 7) * 4.0
        let targets = Tensor([299, -100, 0, 17])
        let fused = try outcome([logits]) {
            $0[0].crossEntropy(targets, reduction: .sum, labelSmoothing: smoothing)
        }
        let plain = try outcome([logits.to(.float64)]) {
            plainCrossEntropy($0[0], [299, nil, 0, 17], smoothing: smoothing)
        }
        expectEqual(fused, plain, tolerance: 2e-6)
        let mean = try outcome([logits]) {
            $0[0].crossEntropy(targets, reduction: .mean, labelSmoothing: smoothing)
        }
        expectEqual(mean, fused.map { $0.map { $0 / 3 } }, tolerance: 1e-6)
        let each = logits.crossEntropy(targets, reduction: .none, labelSmoothing: smoothing)
        #expect(each.shape == [4] && each.doubles()[1] == 0)
        #expect(abs(each.sum().item() - fused[0][0]) < 1e-4)
    }

    @Test("Consumed logits become the gradient", arguments: [DType.float32, .bfloat16])
    func consumed(dtype: DType) throws {
        let logits = tensor([3, 300], seed: 8, dtype: dtype)
        let targets = Tensor([5, -100, 299])
        let kept = try outcome([logits.to(.float32)]) {
            $0[0].crossEntropy(targets, reduction: .sum)
        }
        let weight = tensor([], seed: 99, dtype: .bfloat16).item()
        let consumed = logits.clone()
        let loss = consumed.crossEntropyConsumingLogits(targets)
        #expect(abs(loss.item() - kept[0][0]) < 1e-5)
        expectEqual(
            [consumed.doubles().map { $0 * weight }], [kept[1]],
            tolerance: dtype == .float32 ? 1e-6 : 4e-3)
    }

    @Test("A target outside the classes is an error that names its row")
    func brokenTarget() {
        let logits = tensor([2, 3], seed: 9)
        let error = #expect(throws: TensorError.self) {
            try catchingTensorErrors { _ = logits.crossEntropy(Tensor([1, 3])) }
        }
        #expect(error?.description.contains("target 3 of row 1") == true)
    }
}
