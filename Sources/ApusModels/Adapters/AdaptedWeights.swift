public import ApusBase
public import ApusFormats
public import ApusNN
internal import ApusTensor

/// The initial values of an adapted model: the frozen weights of a model folder, and factors from
/// an adapter folder or as a configuration begins them.
public final class AdaptedWeights: WeightSource {
    public let base: PretrainedModel
    public let plan: LoRAPlan
    private let adapter: AdapterFolder?
    private let start: AdapterStart?
    private let store: ParameterStore
    let frozen: FrozenWeights
    private let seed: UInt64
    private let layers: [String: (kind: LayerKind, options: LowRankOptions)]
    /// Of the layer that was asked for last: its parameters are read one after another.
    private var recent: (path: String, beginning: LayerBeginning)?

    /// - store: the parameters, declared with the plan as their adaptation
    /// - adapter: where training goes on from, or what is applied; nil: new factors by `seed`
    /// - start: new factors that data gave
    public init(
        _ base: PretrainedModel, _ plan: LoRAPlan, adapter: AdapterFolder? = nil,
        start: AdapterStart? = nil, store: ParameterStore, seed: UInt64 = 0
    ) {
        self.base = base
        self.plan = plan
        self.adapter = adapter
        self.start = start
        self.store = store
        frozen = FrozenWeights(base: base, store: store)
        self.seed = seed
        layers = Dictionary(
            uniqueKeysWithValues: plan.adapted.map { ($0.path, ($0.kind, $0.options)) })
    }

    public func check(_ specs: [ParameterSpec]) throws(FileError) -> [String] {
        try adapter?.check(specs.filter(Self.isStored), copies: plan.tiedCopies.map(\.name))
        if plan.beginsByData, start == nil {
            throw FileError(
                base.path, "is to begin an adapter by "
                    + "'\(plan.configuration.initialization.word)', which needs data",
                remedy: "show it some (AdaptedModel.begun), or choose another beginning")
        }
        return try base.check(specs.filter { !Self.isAdded($0.name) })
    }

    public func read(
        _ spec: ParameterSpec, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        if let adapter, Self.isStored(spec) {
            return try adapter.read(spec.name, elements: elements, as: dtype, into: destination)
        }
        guard let values = try newValues(of: spec) else {
            return try base.read(
                spec, elements: elements, as: dtype, into: destination, through: pipeline)
        }
        let part = values.contiguous().reshape(-1).slice(0, elements).to(dtype).contiguous()
        part.copyBytes(to: destination)
    }

    /// Whether an adapter brought a parameter to the model.
    static func isAdded(_ parameter: String) -> Bool {
        parameter.contains(".lora_") || parameter.hasSuffix(rowsSuffix)
    }

    /// Whether a parameter is written into adapter folders.
    public static func isStored(_ spec: ParameterSpec) -> Bool {
        spec.isTrainable || isAdded(spec.name)
    }

    /// Factors that are kept as they began.
    static let (startDown, startUp) = ("lora_start_A", "lora_start_B")

    static let rowsSuffix = ".token_adapter.trainable_tokens_delta"

    // MARK: New values

    /// nil: the base's.
    private func newValues(of spec: ParameterSpec) throws(FileError) -> Tensor? {
        let name = spec.name
        if name.hasSuffix(Self.rowsSuffix) {
            return try rows(spec, of: String(name.dropLast(Self.rowsSuffix.count)))
        }
        if let place = name.firstRange(of: ".lora_") {
            return try factor(spec, of: String(name[..<place.lowerBound]))
        }
        guard name.hasSuffix(".weight") else { return nil }
        let path = String(name.dropLast(".weight".count))
        guard let layer = layers[path], changesWeight(layer.kind), !isInCheckpoint else {
            return nil
        }
        // An adapter that was begun so was trained beside what its first factors left.
        let weight = try beginning(path).weight
        return weight.map { layer.kind == .transposedLinear ? $0.transposed : $0 }
    }

    private func changesWeight(_ kind: LayerKind) -> Bool {
        kind != .embedding && plan.changesWeights
    }

    /// Whether what an adapter by data began with is read afterwards.
    private var isInCheckpoint: Bool { start.map { $0.factors == nil } ?? false }

    private func factor(_ spec: ParameterSpec, of path: String) throws(FileError) -> Tensor {
        if spec.name.hasSuffix("lora_magnitude_vector") { return try magnitude(path) }
        guard layers[path]?.options.initialization == .fromWeight, !isInCheckpoint,
            !spec.name.hasSuffix(".bias")
        else { return random(spec.name) }
        let beginning = try beginning(path)
        let downs = [".lora_A.", ".\(Self.startDown).", ".lora_embedding_A"]
        return downs.contains { spec.name.contains($0) } ? beginning.down : beginning.up
    }

    private func random(_ name: String) -> Tensor {
        guard let parameter = store[name] else { preconditionFailure("no parameter \(name)") }
        let values = Tensor.empty(parameter.shape)
        withoutGradient { parameter.initializer.fill(values, name: name, seed: seed) }
        return values
    }

    /// The frozen rows, from which the trained ones begin.
    private func rows(_ spec: ParameterSpec, of path: String) throws(FileError) -> Tensor {
        let values = Tensor.empty(spec.shape)
        guard let memory = values.hostMemory else { preconditionFailure("no rows at \(path)") }
        let width = spec.shape[1]
        for (place, row) in (plan.trainedRows(ofTable: path) ?? []).enumerated() {
            let size = width * DType.float32.byteCount
            let target = UnsafeMutableRawBufferPointer(
                rebasing: memory[place * size..<(place + 1) * size])
            try base.read(
                frozen.spec(path), elements: row * width..<(row + 1) * width, as: .float32,
                into: target)
        }
        return values
    }

    /// `|W + scale B A|`, the rows' lengths in the model as it begins.
    private func magnitude(_ path: String) throws(FileError) -> Tensor {
        guard let layer = layers[path] else { preconditionFailure("no layer \(path)") }
        let beginning = try beginning(path)
        var weight: Tensor
        if let changed = beginning.weight {
            weight = changed
        } else {
            weight = try frozen.weight(path, layer.kind)
        }
        if let format = store["\(path).weight"]?.quantized?.format {
            weight = weight.held(in: format, isTransposed: layer.kind == .transposedLinear)
        }
        return (weight + beginning.delta(layer.options)).norm(-1)
    }

    private func beginning(_ path: String) throws(FileError) -> LayerBeginning {
        if let recent, recent.path == path { return recent.beginning }
        guard let layer = layers[path] else { preconditionFailure("no layer \(path)") }
        var beginning: LayerBeginning
        if let given = start?.factors?[path] {
            beginning = given
            if changesWeight(layer.kind) {
                beginning.weight =
                    try frozen.weight(path, layer.kind) - given.delta(layer.options)
            }
        } else if layer.options.initialization == .fromWeight, !isInCheckpoint {
            beginning = LayerBeginning(
                plan.configuration, try frozen.weight(path, layer.kind), layer.kind,
                layer.options, name: path, seed: seed)
        } else if layer.kind == .embedding {
            beginning = LayerBeginning(
                down: random("\(path).lora_embedding_A"), up: random("\(path).lora_embedding_B"))
        } else {
            beginning = LayerBeginning(
                down: random("\(path).lora_A.weight"), up: random("\(path).lora_B.weight"))
        }
        recent = (path, beginning)
        return beginning
    }
}
