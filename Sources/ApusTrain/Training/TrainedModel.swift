internal import ApusBase
public import ApusComm
public import ApusData
public import ApusModels
public import ApusNN
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
    public init(_ model: any LanguageModel, options: EngineOptions, group: any ProcessGroup) {
        self.model = model
        let store = model.store
        engine = Engine(
            specs: store.parameters.map(\.spec), unitNames: store.units.map(\.name),
            options: options, group: group)
        for (index, parameter) in store.parameters.enumerated() {
            parameter.value = engine.tensor(ofParameter: index)
        }
    }

    /// Reads the weights straight into the engine's memory; returns tensors of the file that
    /// nothing used.
    public func load(from source: any WeightSource) throws -> [String] {
        let unused = try source.check(model.store.specs)
        try engine.load { spec, values in
            try source.read(
                spec, elements: 0..<spec.elementCount, as: .float32,
                into: UnsafeMutableRawBufferPointer(values))
        }
        try source.loadQuantized(model.store, computeType: engine.options.precision.compute)
        return unused
    }

    /// Random initial weights: the same for a seed on any number of ranks.
    public func initialize(seed: UInt64) throws {
        try engine.load { spec, values in
            guard let parameter = model.store[spec.name] else { return }
            let target = Tensor(
                memory: UnsafeMutableRawPointer(values.baseAddress!), shape: spec.shape,
                dtype: .float32, owner: nil)
            withoutGradient { parameter.initializer.fill(target, name: spec.name, seed: seed) }
        }
    }

    /// The sum of token losses of a micro-batch.
    public func lossSum(_ batch: MicroBatch, isTraining: Bool) -> Tensor {
        let shape = [batch.rows, batch.length]
        func tensor(_ values: [Int32]) -> Tensor { Tensor(values, shape: shape).to(.int64) }
        var context = SequenceContext(isTraining: isTraining)
        context.embeddingNoise = embeddingNoise
        if batch.isPacked {
            context.positions = tensor(batch.positions)
            context.documents = tensor(batch.documents)
        }
        let weights = batch.lossWeights.map { Tensor($0, shape: shape) }
        return model.lossSum(
            tokens: tensor(batch.inputIDs), labels: tensor(batch.labels), context,
            weights: isTraining ? weights : nil, options: isTraining ? lossOptions : .plain)
    }
}
