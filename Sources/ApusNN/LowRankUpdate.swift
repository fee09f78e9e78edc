public import ApusTensor

/// The trained factors beside one frozen layer: `y += scale * (x A^T) B^T`.
///
/// Names are those of PEFT: `lora_A.weight` `[rank, inputs]` and `lora_B.weight` `[outputs, rank]`,
/// beside the layer's own weight; with decomposed weights `lora_magnitude_vector` `[outputs]`.
public struct LowRankUpdate {
    public let options: LowRankOptions
    public let down, up: Parameter
    public let upBias, magnitude: Parameter?
    private let store: ParameterStore
    /// Whether an embedding's factors are used for the head that is the embedding.
    private var isSeenByHead = false

    /// nil where the store's adaptation has no update for the layer of this scope.
    public init?(_ inputs: Int, _ outputs: Int, kind: LayerKind, in scope: Scope) {
        guard let options = scope.update(kind: kind) else { return nil }
        self.options = options
        store = scope.store
        let (first, second) = options.initializers(inputs: inputs)
        if kind == .embedding {
            // PyTorch's defaults for an embedding, the other way round: A looks up, B projects.
            down = scope.adapterParameter("lora_embedding_A", [options.rank, inputs], .zeros)
            up = scope.adapterParameter(
                "lora_embedding_B", [outputs, options.rank], .normal(standardDeviation: 1),
                isTrained: options.trainsUp)
        } else {
            down = scope["lora_A"].adapterParameter("weight", [options.rank, inputs], first)
            up = scope["lora_B"].adapterParameter(
                "weight", [outputs, options.rank], second, isTrained: options.trainsUp)
        }
        if options.keepsStart {
            for (name, shape) in [("A", down.shape), ("B", up.shape)] {
                _ = scope["lora_start_\(name)"].adapterParameter(
                    "weight", shape, .zeros, isTrained: false)
            }
        }
        upBias =
            options.hasBias ? scope["lora_B"].adapterParameter("bias", [outputs], .zeros) : nil
        magnitude =
            options.isWeightDecomposed
            ? scope.adapterParameter("lora_magnitude_vector", [outputs], .ones, decays: true) : nil
    }

    /// An embedding's update as that of a head with the same weight.
    public var ofTiedHead: LowRankUpdate {
        var copy = self
        copy.isSeenByHead = true
        return copy
    }

    /// `[rank, inputs]` and `[outputs, rank]`.
    private var factors: (down: Tensor, up: Tensor) {
        isSeenByHead ? (up.value.transposed, down.value.transposed) : (down.value, up.value)
    }

    /// `[..., inputs]` -> `[..., outputs]` of an adapted linear layer.
    ///
    /// - plain: what the layer computes without the update, its bias included
    /// - weight: the frozen weight `[outputs, inputs]`; asked for with decomposed weights only
    func linear(
        _ x: Tensor, plain: Tensor, bias: Tensor?, weight: () -> Tensor
    ) -> Tensor {
        let dropped = dropped(x)
        let update = project(lookedUp: dropped.linear(weight: down.value))
        guard let magnitude else { return plain + update }
        let frozen = weight()
        let ratio = magnitude.value / rowNorms(frozen)
        if isDropping {
            return plain + (ratio - 1) * dropped.linear(weight: frozen) + ratio * update
        }
        let unbiased = bias.map { plain - $0 } ?? plain
        return plain + (ratio - 1) * unbiased + ratio * update
    }

    /// The same of an embedding `[count, width]`: here the factors are `A` `[rank, count]` and `B`
    /// `[width, rank]`.
    func embedding(_ indices: Tensor, plain: Tensor, weight: () -> Tensor) -> Tensor {
        let update = project(lookedUp: down.value.transposed.embedding(indices))
        guard let magnitude else { return plain + update }
        // PEFT takes the norms over the tokens of each component.
        let ratio = magnitude.value / rowNorms(weight().transposed)
        return ratio * plain + ratio * update
    }

    private func project(lookedUp low: Tensor) -> Tensor {
        guard let upBias else { return (low * options.scale).linear(weight: up.value) }
        return low.linear(weight: up.value, bias: upBias.value) * options.scale
    }

    /// Hidden states and weight of an output head such that their product is the adapted one: the
    /// low-rank part stands beside the frozen one, and no logits are computed twice.
    public func joined(_ hidden: Tensor, _ weight: Tensor) -> (hidden: Tensor, weight: Tensor) {
        let (down, up) = factors
        let dropped = dropped(hidden)
        var inputs = [hidden, dropped.linear(weight: down) * options.scale]
        var columns = [weight, up]
        if let upBias {
            inputs.append(hidden.slice(-1, 0..<1).detached().onesLike() * options.scale)
            columns.append(upBias.value.unsqueeze(-1))
        }
        if let magnitude {
            let ratio = (magnitude.value / rowNorms(weight)).unsqueeze(-1)
            // What is dropped from the update is not dropped from the frozen part.
            if isDropping {
                inputs.append(dropped)
                columns = [weight, ratio * up, (ratio - 1) * weight]
            } else {
                columns = columns.map { ratio * $0 }
            }
        }
        return (
            Tensor.concatenate(inputs, dim: -1), Tensor.concatenate(columns, dim: -1)
        )
    }

    /// `|W + scale B A|` of each row. A constant to backward: section 4.3 of the paper.
    private func rowNorms(_ frozen: Tensor) -> Tensor {
        withoutGradient { (frozen + delta).norm(-1) }
    }

    /// What is added to the weight, `[outputs, inputs]`.
    private var delta: Tensor { factors.up.matmul(factors.down) * options.scale }

    private var isDropping: Bool { options.dropout > 0 && store.isTraining }

    private func dropped(_ x: Tensor) -> Tensor {
        x.dropout(options.dropout, isTraining: isDropping)
    }
}

extension LowRankOptions {
    func initializers(inputs: Int) -> (down: Initializer, up: Initializer) {
        // PyTorch's default for linear layers: uniform within 1 / sqrt(inputs).
        let usual = Initializer.uniform(bound: 1 / Double(inputs).squareRoot())
        switch initialization {
        case .identity: return (usual, .zeros)
        case .gaussian: return (.normal(standardDeviation: 1 / Double(rank)), .zeros)
        case .random: return (usual, .uniform(bound: 1 / Double(rank).squareRoot()))
        case .fromWeight: return (.zeros, .zeros)
        }
    }
}

extension Scope {
    /// The update of the layer whose parameters stand here.
    fileprivate func update(kind: LayerKind) -> LowRankOptions? {
        guard acceptsUpdates else { return nil }
        return store.adaptation?.update(forLayer: path, kind: kind)
    }

    /// - decays: nil: the custom. Programs that go by names decay DoRA's lengths too.
    func adapterParameter(
        _ name: String, _ shape: [Int], _ initializer: Initializer, decays: Bool? = nil,
        isTrained: Bool = true
    ) -> Parameter {
        declare(name, shape, initializer, decays: decays, isTrainable: isTrained)
    }
}
