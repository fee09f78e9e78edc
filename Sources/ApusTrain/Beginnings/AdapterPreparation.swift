internal import ApusBase
internal import ApusComm
internal import ApusData
internal import ApusModels
internal import ApusNN
internal import ApusOptim
internal import ApusTensor
internal import ApusZeRO

/// The frozen model of an adapter while data is shown to it, on all ranks.
final class AdapterPreparation {
    typealias Layer = (path: String, kind: LayerKind, options: LowRankOptions)
    typealias Factors = (down: Tensor, up: Tensor)

    let adapted: AdaptedModel
    let trained: TrainedModel
    let probe: LayerProbe
    let layers: [Layer]
    private let wantsStop: () -> Bool

    init(
        _ adapted: AdaptedModel, options: EngineOptions, group: any ProcessGroup,
        on place: ComputeDevice?, recomputes: Bool, wantsStop: @escaping () -> Bool
    ) throws {
        self.adapted = adapted
        self.wantsStop = wantsStop
        layers = adapted.weights.plan.layersByData
        let (model, probe) = adapted.makeProbe()
        self.probe = probe
        if adapted.weights.plan.configuration.initialization == .loraGA {
            for layer in layers { model.store["\(layer.path).weight"]?.train() }
        }
        var options = options
        // Nothing is updated, so nothing is kept for it.
        (options.rule, options.maximumGradientNorm) = (SGD(), nil)
        trained = try catchingTensorErrors {
            try TrainedModel(model, options: options, group: group, on: place)
        }
        _ = try trained.load(from: adapted.weights.base)
        for unit in model.store.units where model.isBlock(unit) {
            unit.recomputesActivations = recomputes
        }
    }

    var group: any ProcessGroup { trained.engine.group }
    var device: Device { trained.engine.options.device }
    var configuration: LoRAConfiguration { adapted.weights.plan.configuration }

    /// How many numbers go into a layer.
    func inputWidth(_ layer: Layer) -> Int {
        let shape = trained.model.store["\(layer.path).weight"]?.shape ?? []
        // A head that is the embedding has its width.
        return layer.kind == .transposedLinear ? shape[0] : shape.last ?? trained.model.width
    }

    private func outputWidth(_ layer: Layer) -> Int {
        let shape = trained.model.store["\(layer.path).weight"]?.shape ?? []
        return layer.kind == .transposedLinear
            ? shape[1] : shape.first ?? trained.model.vocabularySize
    }

    // MARK: Ranks

    /// The rank that computes for the layer in this place, or for its input.
    func owner(_ place: Int) -> Int { place % group.worldSize }

    /// All ranks stop together, between two windows.
    func heedStop() throws {
        let told = try group.gathered([wantsStop() ? 1 : 0], label: "is a stop wanted?")
        if told.contains(where: { $0 != [0] }) { throw StoppedBeforeTraining() }
    }

    /// This rank's micro-batches, one for every micro-step: where others compute and it has none,
    /// padding.
    func microBatches(_ window: OptimizerWindow) -> some Sequence<MicroBatch> {
        (0..<window.microSteps).lazy.map { window.microBatch($0) ?? .padding }
    }

    /// Computes the factors of each layer on one rank and tells them to all.
    func spread(_ compute: (Layer) throws -> Factors) throws -> AdapterStart {
        var own: [String: Factors] = [:]
        for (place, layer) in layers.enumerated() where owner(place) == group.rank {
            own[layer.path] = try compute(layer)
        }
        return AdapterStart(configuration, factors: try shared(own))
    }

    /// The factors of all layers, of which this rank brings its own.
    func shared(_ own: [String: Factors]) throws -> [String: Factors] {
        var all: [String: Factors] = [:]
        for (place, layer) in layers.enumerated() {
            let rank = layer.options.rank
            let factors = own[layer.path]
            all[layer.path] = (
                try told(factors?.down, [rank, inputWidth(layer)], by: owner(place)),
                try told(factors?.up, [outputWidth(layer), rank], by: owner(place))
            )
        }
        return all
    }

    /// What one rank has computed, rounded to what the model computes with: frozen weights are to
    /// lose exactly what the factors begin with.
    func told(_ own: Tensor?, _ shape: [Int], by owner: Int) throws -> Tensor {
        let rounded = own?.to(trained.engine.options.precision.compute)
        let tensor = rounded?.to(.float32, device: .cpu).contiguous() ?? .empty(shape)
        try group.broadcast(tensor, from: owner, label: "the adapter's beginning")
        return tensor
    }

    func zeroUp(_ layer: Layer, rank: Int) -> Tensor { .zeros([outputWidth(layer), rank]) }
}
