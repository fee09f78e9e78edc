internal import ApusBase
package import ApusTensor

/// The covariance of what goes into a layer.
package struct InputCovariance {
    /// `[width, width]`; nil before the first sample.
    package private(set) var sum: Tensor?
    private let isNarrow: Bool

    /// - isNarrow: added up in the inputs' dtype instead of fp32
    package init(isNarrow: Bool) { self.isNarrow = isNarrow }

    /// Adds the tokens `[length, width]` of a sample, relative to their largest number.
    package mutating func add(_ tokens: Tensor) {
        let inputs = isNarrow ? tokens : tokens.to(.float32)
        let scaled = inputs / inputs.max().abs()
        let product = scaled.transposed.matmul(scaled)
        sum = sum.map { $0 + product } ?? product
    }
}

/// Yang et al.: "CorDA" (2024), 3.
extension LayerBeginning {
    /// - weight: `[outputs, inputs]` in fp32
    /// - covariance: of the inputs, `[inputs, inputs]`, on the same device
    /// - path: of the layer, for messages
    init(
        _ settings: LoRAConfiguration.CorDA, weight: Tensor, covariance: Tensor, rank: Int,
        scale: Double, path: String
    ) throws(AdapterError) {
        let most = min(weight.size(0), weight.size(1))
        guard rank <= most else {
            throw AdapterError(
                summary: "corda takes \(rank) singular vectors of \(path), which has \(most)",
                remedy: "lower lora_r, or leave the layer out")
        }
        let (damped, inverse) = try Self.invertible(covariance.to(.float32), path)
        let (u, s, vt) = weight.matmul(damped).svd()
        let kept = settings.method == .ipm ? 0..<rank : most - rank..<most
        let roots = (s.slice(0, kept) / scale).sqrt()
        self.init(
            down: roots.unsqueeze(-1) * vt.slice(0, kept).matmul(inverse),
            up: u.slice(1, kept) * roots)
    }

    /// The covariance with so much on its diagonal that it has an inverse, and that.
    private static func invertible(
        _ covariance: Tensor, _ path: String
    ) throws(AdapterError) -> (Tensor, Tensor) {
        let identity = Tensor.eye(covariance.size(0), device: covariance.device)
        let mean = covariance.diagonal().mean().item()
        guard mean > 0, mean.isFinite else {
            throw AdapterError(
                summary: "the inputs of \(path) have no covariance to begin from: their mean "
                    + "square is \(mean)",
                likelyCause: "no data reaches the layer, or its numbers are not finite")
        }
        var damping = 0.01
        while true {
            let damped = covariance + identity * (mean * damping)
            let inverse = damped.inverse()
            if (damped.matmul(inverse) - identity).norm().item() < 0.05 { return (damped, inverse) }
            damping *= 2
        }
    }
}
