internal import ApusBase
package import ApusNN
package import ApusTensor

/// How an adapter begins that data has begun.
public struct AdapterStart {
    /// With the ranks that the layers got.
    public let configuration: LoRAConfiguration
    /// By the layers' paths; nil: a checkpoint that is read afterwards has them.
    let factors: [String: LayerBeginning]?

    /// Of a run that goes on.
    ///
    /// - configuration: as it was when the run began
    public init(inCheckpoint configuration: LoRAConfiguration) {
        self.configuration = configuration
        factors = nil
    }

    package init(
        _ configuration: LoRAConfiguration, factors: [String: (down: Tensor, up: Tensor)]
    ) {
        self.configuration = configuration
        self.factors = factors.mapValues { LayerBeginning(down: $0.down, up: $0.up) }
    }
}

// What `ApusTrain` asks while it looks at data.
extension AdaptedModel {
    /// The model without an adapter, and who watches its layers.
    package func makeProbe() -> (model: any LanguageModel, probe: LayerProbe) {
        let probe = LayerProbe(weights.plan)
        return (weights.base.family.makeModel(in: ParameterStore(adaptation: probe)), probe)
    }

    /// The same adapter as data began it.
    package func begun(_ start: AdapterStart) throws -> AdaptedModel {
        try AdaptedModel(
            original, start.configuration, start: start, quantization: quantization, seed: seed)
    }

    /// CorDA's factors of a layer.
    package func covariantFactors(
        _ layer: (path: String, kind: LayerKind, options: LowRankOptions), covariance: Tensor
    ) throws -> (down: Tensor, up: Tensor) {
        let beginning = try LayerBeginning(
            weights.plan.configuration.corda,
            weight: weights.frozen.weight(layer.path, layer.kind).to(device: covariance.device),
            covariance: covariance, rank: layer.options.rank, scale: layer.options.scale,
            path: layer.path)
        return (beginning.down, beginning.up)
    }

    /// LoRA-GA's factors of a layer.
    ///
    /// - gradient: of the weight as it is stored
    package func gradientFactors(
        _ layer: (path: String, kind: LayerKind, options: LowRankOptions), gradient: Tensor
    ) throws -> (down: Tensor, up: Tensor) {
        let isTransposed = layer.kind == .transposedLinear
        let beginning = try LayerBeginning(
            weights.plan.configuration.loraGA,
            gradient: isTransposed ? gradient.transposed.contiguous() : gradient,
            weight: weights.frozen.weight(layer.path, layer.kind).to(device: gradient.device),
            rank: layer.options.rank, scale: layer.options.scale, path: layer.path, seed: seed)
        return (beginning.down, beginning.up)
    }
}

extension LoRAConfiguration {
    /// The configuration with ranks as EVA shares them out.
    ///
    /// - layers: all that are adapted, with what they have by this configuration
    /// - ranks: of some of them; 0: the layer is not adapted
    package func sharing(
        _ ranks: [String: Int], _ layers: [(path: String, rank: Int, alpha: Double)]
    ) -> LoRAConfiguration {
        var result = self
        (result.ranks, result.alphas) = ([], [])
        let kept = layers.filter { ranks[$0.path] != 0 }
        for layer in kept {
            let rank = ranks[layer.path] ?? layer.rank
            let factor = eva.adjustsScale ? Double(rank) / Double(layer.rank) : 1
            if rank != self.rank { result.ranks.append(.init(layer.path, rank)) }
            if layer.alpha * factor != alpha {
                result.alphas.append(.init(layer.path, layer.alpha * factor))
            }
        }
        if kept.count < layers.count { result.targets = .named(kept.map(\.path)) }
        return result
    }
}
