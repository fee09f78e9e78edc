internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// Makes an adapter beside changed weights one beside the weights of the file.
///
/// With `W = W' + s B0 A0` the model computes `W' + s B A = W + s [B, -B0] [A; A0]`: a plain
/// adapter of twice the rank, as PEFT's `path_initial_model_for_weight_conversion` makes it.
final class StartReturn {
    /// Factors whose other half has not come yet.
    private var waiting: [String: Tensor] = [:]

    private static let names = [
        (start: ".\(AdaptedWeights.startDown).", factor: ".lora_A."),
        (start: ".\(AdaptedWeights.startUp).", factor: ".lora_B."),
    ]

    /// What is written of these parameters.
    static func specs(_ specs: [ParameterSpec]) -> [ParameterSpec] {
        let halves = Set(specs.compactMap { factor(ofStart: $0.name) })
        return specs.filter { factor(ofStart: $0.name) == nil }.map { spec in
            guard halves.contains(spec.name) else { return spec }
            var shape = spec.shape
            shape[isDown(spec.name) ? 0 : 1] *= 2
            return ParameterSpec(
                name: spec.name, shape: shape, unit: spec.unit, decays: spec.decays)
        }
    }

    /// Takes a parameter and returns what is complete; nil: its other half is missing.
    func take(_ name: String, _ value: Tensor) -> (name: String, value: Tensor)? {
        let isStart = Self.factor(ofStart: name) != nil
        let factor = Self.factor(ofStart: name) ?? name
        guard isStart || Self.names.contains(where: { name.contains($0.factor) }) else {
            return (name, value)
        }
        // Gathered values may be gone when the other half comes.
        let own = value.detached().to(.float32, device: .cpu).clone()
        guard let other = waiting.removeValue(forKey: factor) else {
            waiting[factor] = own
            return nil
        }
        let (now, start) = isStart ? (other, own) : (own, other)
        let joined =
            Self.isDown(factor)
            ? Tensor.concatenate([now, start]) : Tensor.concatenate([now, -start], dim: 1)
        return (factor, joined)
    }

    private static func isDown(_ factor: String) -> Bool { factor.contains(names[0].factor) }

    /// The factor that began as this parameter; nil for other parameters.
    private static func factor(ofStart name: String) -> String? {
        for pair in names {
            guard let place = name.firstRange(of: pair.start) else { continue }
            return name[..<place.lowerBound] + pair.factor + name[place.upperBound...]
        }
        return nil
    }
}

extension LoRAConfiguration {
    /// Of an adapter whose factors have twice the rank, and the same scale.
    func givingBackStart(_ plan: LoRAPlan) -> LoRAConfiguration {
        var result = self
        let factor = isRankStabilized ? 2.0.squareRoot() : 2
        result.initialization = .standard
        result.rank *= 2
        result.alpha *= factor
        // Embeddings keep their rank: data does not begin them.
        let embeddings = plan.adapted.filter { $0.kind == .embedding }
        result.ranks =
            embeddings.map { .init($0.path, $0.options.rank) }
            + ranks.map { .init($0.pattern, 2 * $0.value) }
        result.alphas =
            embeddings.map { .init($0.path, plan.alpha($0.path)) }
            + alphas.map { .init($0.pattern, factor * $0.value) }
        return result
    }
}
