internal import ApusBase
internal import ApusTensor

/// Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024): the
/// momentum of a matrix is replaced by the nearest orthogonal one before it is applied. What is no
/// hidden matrix (norms, biases, embeddings, heads) is updated by AdamW.
///
/// The conventions are those of `torch.optim.Muon`: five Newton-Schulz steps in bf16, Nesterov
/// momentum, decoupled weight decay.
public struct Muon: UpdateRule, Hashable {
    /// How the learning rate follows a matrix's shape.
    public enum Scaling: Sendable, Hashable {
        /// By the square root of rows over columns where that is more than one.
        case original
        /// So that updates have the root mean square of AdamW's (Liu et al.: "Muon is Scalable for
        /// LLM Training", 2025): one learning rate then serves both rules.
        case matchingAdamW
    }

    public var momentum: Double
    public var nesterov: Bool
    public var scaling: Scaling
    /// For what is no hidden matrix.
    public var others: AdamW

    public init(
        momentum: Double = 0.95, nesterov: Bool = true, scaling: Scaling = .matchingAdamW,
        others: AdamW = AdamW()
    ) {
        precondition((0..<1).contains(momentum), "Muon: a momentum of \(momentum)")
        self.momentum = momentum
        self.nesterov = nesterov
        self.scaling = scaling
        self.others = others
    }

    public var name: String { "muon" }
    public var granularity: UpdateGranularity { .wholeParameters }
    public var updatesTablesAsVectors: Bool { true }

    public func states(forShape shape: [Int]) -> [OptimizerState] {
        shape.count == 2
            ? [OptimizerState("momentum", shape: shape)] : others.states(forShape: shape)
    }

    public func update(_ slice: UpdateSlice, _ hyperParameters: HyperParameters) {
        guard slice.shape.count == 2 else {
            others.update(slice, hyperParameters)
            return
        }
        slice.requireStates(1, of: "Muon")
        withoutGradient { updateMatrix(slice, hyperParameters) }
    }

    private func updateMatrix(_ slice: UpdateSlice, _ hyper: HyperParameters) {
        let shape = slice.shape
        let weights = slice.weights.tensor(shape)
        let gradient =
            slice.gradient.tensor(shape).to(.float32) * Double(hyper.gradientScale)
        let buffer = FloatMemory(slice.states[0], count: slice.count).tensor(shape)
        buffer.copyInPlace(from: buffer.interpolated(to: gradient, weight: 1 - momentum))
        let direction = nesterov ? gradient.interpolated(to: buffer, weight: momentum) : buffer
        let update = Self.orthogonalized(direction)
        weights.multiplyInPlace(1 - hyper.learningRate * hyper.weightDecay)
        weights.addInPlace(update.to(.float32), alpha: -hyper.learningRate * scale(shape))
        slice.roundedWeights?.copy(from: slice.weights)
    }

    private func scale(_ shape: [Int]) -> Double {
        let (rows, columns) = (Double(shape[0]), Double(shape[1]))
        switch scaling {
        case .original: return max(1, rows / columns).squareRoot()
        case .matchingAdamW: return 0.2 * max(rows, columns).squareRoot()
        }
    }

    /// Newton-Schulz iteration towards the orthogonal factor of the polar decomposition; its
    /// coefficients leave singular values between 0.7 and 1.2, which is near enough.
    private static func orthogonalized(_ matrix: Tensor) -> Tensor {
        let isTall = matrix.size(0) > matrix.size(1)
        var x = matrix.to(.bfloat16)
        if isTall { x = x.transposed }
        x = x / x.norm().clamp(min: 1e-7)
        for _ in 0..<5 {
            let gram = x.matmul(x.transposed)
            let square = gram.matmul(gram)
            let change = gram * -4.7750 + square * 2.0315
            x = x * 3.4445 + change.matmul(x)
        }
        return isTall ? x.transposed : x
    }
}

extension FloatMemory {
    /// A tensor over this memory.
    fileprivate func tensor(_ shape: [Int]) -> Tensor {
        Tensor(memory: start, shape: shape, dtype: dtype, owner: nil)
    }
}
