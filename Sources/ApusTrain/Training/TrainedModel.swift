internal import ApusBase
public import ApusComm
public import ApusData
internal import ApusFormats
public import ApusModels
public import ApusNN
internal import ApusShard
public import ApusTensor
public import ApusZeRO

/// A language model whose parameters live in an engine.
public final class TrainedModel {
    public let model: any LanguageModel
    public let engine: Engine
    /// What training minimises beside the plain loss.
    public var lossOptions = LossOptions.plain
    /// See ``SequenceContext/embeddingNoise``.
    public var embeddingNoise = 0.0

    /// Declares the model's parameters to an engine and lets the model compute with the engine's
    /// tensors. Values come with ``load(from:)`` or ``initialize(seed:)``.
    ///
    /// - place: where to compute; nil: on the host
    /// - Throws: `EngineError`, `CommError`
    public init(
        _ model: any LanguageModel, options: EngineOptions, group: any ProcessGroup,
        on place: ComputeDevice? = nil
    ) throws {
        var options = options
        options.device = place?.device ?? .cpu
        self.model = model
        let store = model.store
        engine = try Engine(
            specs: store.parameters.map(\.spec), unitNames: store.units.map(\.name),
            options: options, group: group, deviceGroup: place?.group)
        for (index, parameter) in store.parameters.enumerated() {
            parameter.value = engine.tensor(ofParameter: index)
        }
        for unit in store.units { unit.observer = engine }
    }

    /// Reads the weights straight into the engine's memory; returns tensors of the file that
    /// nothing used.
    public func load(from source: any WeightSource) throws -> [String] {
        let unused = try source.check(model.store.specs)
        try ReadPipeline.run { pipeline in
            try engine.load(
                { spec, elements, values in
                    try source.read(
                        spec, elements: elements, as: .float32,
                        into: UnsafeMutableRawBufferPointer(values), through: pipeline)
                }, settle: pipeline.finish)
        }
        try source.loadQuantized(model.store, computeType: engine.options.precision.compute)
        return unused
    }

    /// Random initial weights: the same for a seed on any number of ranks.
    public func initialize(seed: UInt64) throws {
        try engine.load { spec, elements, values in
            guard let parameter = model.store[spec.name] else { return }
            let target = Tensor(
                memory: UnsafeMutableRawPointer(values.baseAddress!), shape: [elements.count],
                dtype: .float32, owner: nil)
            withoutGradient {
                parameter.initializer.fill(
                    target, elements: elements, of: spec.elementCount, name: spec.name, seed: seed)
            }
        }
    }

    /// Calls `body` with every wanted parameter while its values are there, unit by unit. All ranks
    /// call this together.
    public func forEachParameter(
        where isWanted: (Parameter) -> Bool = { _ in true }, _ body: (Parameter) throws -> Void
    ) throws {
        let wanted = model.store.parameters.filter(isWanted)
        let byUnit = Dictionary(grouping: wanted, by: \.spec.unit)
        for unit in model.store.units {
            guard let parameters = byUnit[unit.index] else { continue }
            try engine.withGathered(units: [unit.index]) { try parameters.forEach(body) }
        }
    }

    /// What a rank computes in a micro-step: its own micro-batch, or where all have to take part
    /// and it has none, padding that trains nothing; else nil.
    func microBatch(_ own: MicroBatch?) -> MicroBatch? {
        own ?? (computesTogether ? .padding : nil)
    }

    /// Whether every rank has to take part where the model computes.
    public var computesTogether: Bool { engine.options.sharding.strategy.shardsParameters }

    /// The sum of token losses of a micro-batch.
    public func lossSum(_ batch: MicroBatch, isTraining: Bool) -> Tensor {
        let weights = batch.lossWeights.map {
            Tensor($0, shape: [batch.rows, batch.length]).to(device: engine.options.device)
        }
        return model.lossSum(
            tokens: tensor(batch.inputIDs, of: batch), labels: tensor(batch.labels, of: batch),
            context(batch, isTraining: isTraining),
            weights: isTraining ? weights : nil, options: isTraining ? lossOptions : .plain)
    }

    /// Runs a micro-batch as far as the head's input, for those who watch the layers.
    func look(_ batch: MicroBatch) throws {
        try engine.computing {
            withoutGradient {
                let hidden = model.hiddenStates(
                    tensor(batch.inputIDs, of: batch), context(batch, isTraining: false))
                _ = model.headUnits.run([hidden]) { inputs in
                    self.model.headOperands(inputs[0]).hidden
                }
            }
        }
    }

    private func tensor(_ values: [Int32], of batch: MicroBatch) -> Tensor {
        Tensor(values, shape: [batch.rows, batch.length])
            .to(.int64, device: engine.options.device)
    }

    private func context(_ batch: MicroBatch, isTraining: Bool) -> SequenceContext {
        var context = SequenceContext(isTraining: isTraining)
        context.embeddingNoise = embeddingNoise
        if batch.isPacked {
            context.positions = tensor(batch.positions, of: batch)
            context.documents = tensor(batch.documents, of: batch)
        }
        return context
    }
}

/// An engine is told what the model's units do.
extension Engine: UnitObserver {}
