public import ApusBase
public import ApusTensor

/// A place in the tree of names, where parameters are declared: `scope["layers"][0]["mlp"]`.
///
/// The path is the parameter's name in model files. Declaring allocates nothing, so that an engine
/// can decide where each part will live before any of it exists.
public struct Scope {
    public let store: ParameterStore
    public let path: String
    /// The unit to which parameters declared here belong.
    public private(set) var unit: Unit
    /// Whether layers declared here may get a low-rank update.
    public private(set) var acceptsUpdates = true

    public subscript(_ name: String) -> Scope {
        Scope(
            store: store, path: path.isEmpty ? name : "\(path).\(name)", unit: unit,
            acceptsUpdates: acceptsUpdates)
    }

    public subscript(_ index: Int) -> Scope { self["\(index)"] }

    /// Everything declared below is gathered, released and reduced together.
    public func asUnit() -> Scope {
        var scope = self
        scope.unit = store.makeUnit(named: path)
        return scope
    }

    /// The same place in the tree, its parameters belonging to another scope's unit.
    public func inUnit(of other: Scope) -> Scope {
        var scope = self
        scope.unit = other.unit
        return scope
    }

    /// The same place, whose layers never get a low-rank update.
    public func withoutUpdates() -> Scope {
        var scope = self
        scope.acceptsUpdates = false
        return scope
    }

    /// Declares a parameter. `decays` defaults to the custom: matrices decay, vectors (norms,
    /// biases) do not.
    public func parameter(
        _ name: String, _ shape: [Int], _ initializer: Initializer, decays: Bool? = nil
    ) -> Parameter {
        declare(
            name, shape, initializer, decays: decays,
            isTrainable: store.adaptation?.trains(self[name].path) ?? true)
    }

    /// Declares the weight of a linear layer, which may be held in few bits when it is frozen.
    func linearWeight(_ shape: [Int], _ initializer: Initializer, kind: LayerKind) -> Parameter {
        guard let format = store.adaptation?.quantization(ofLayer: path, kind: kind) else {
            return parameter("weight", shape, initializer)
        }
        let spec = ParameterSpec(
            name: self["weight"].path, shape: shape, unit: unit.index, isTrainable: false,
            decays: true)
        return store.declareQuantized(spec, initializer, format)
    }

    func declare(
        _ name: String, _ shape: [Int], _ initializer: Initializer, decays: Bool?,
        isTrainable: Bool
    ) -> Parameter {
        let spec = ParameterSpec(
            name: self[name].path, shape: shape, unit: unit.index, isTrainable: isTrainable,
            decays: decays ?? (shape.count > 1))
        return store.declare(spec, initializer)
    }

    /// Declares a table of vectors, one a token: an embedding or a head.
    public func table(
        _ name: String, _ shape: [Int], _ initializer: Initializer
    ) -> Parameter {
        let parameter = parameter(name, shape, initializer)
        parameter.spec.isTable = true
        return parameter
    }
}

/// Is told when a unit's parameters are needed and when not: the engine that holds them.
public protocol UnitObserver: AnyObject {
    func willForward(_ unit: Int)
    /// - isRecorded: autograd will go back through this run
    /// - isClosed: and ``didBackward(_:)`` will follow then
    func didForward(_ unit: Int, isRecorded: Bool, isClosed: Bool)
    func willBackward(_ unit: Int)
    func didBackward(_ unit: Int)
}

/// Parameters that one gather and one reduction move: a transformer block, the embeddings, the
/// head.
public final class Unit {
    public let name: String
    public let index: Int

    /// Whether the block's activations are computed again in backward instead of being kept.
    public var recomputesActivations = false

    /// Told of every run; nil where parameters are always there.
    public weak var observer: (any UnitObserver)?

    init(name: String, index: Int) {
        self.name = name
        self.index = index
    }

    /// Runs a part of the model that reads the unit's parameters; all its tensors that need a
    /// gradient go in through `inputs`. A unit may run several times, and inside of another's run.
    public func run(_ inputs: [Tensor], _ body: @escaping ([Tensor]) -> Tensor) -> Tensor {
        guard let observer else { return compute(inputs, body) }
        observer.willForward(index)
        let isClosed = isGradientEnabled && inputs.contains(where: \.requiresGradient)
        let entered = isClosed ? boundary(inputs) { $0.didBackward($1) } : inputs
        let output = compute(entered, body)
        let isRecorded = isGradientEnabled && output.requiresGradient
        observer.didForward(index, isRecorded: isRecorded, isClosed: isRecorded && isClosed)
        return isRecorded ? boundary([output]) { $0.willBackward($1) }[0] : output
    }

    private func compute(_ inputs: [Tensor], _ body: @escaping ([Tensor]) -> Tensor) -> Tensor {
        guard recomputesActivations else { return body(inputs) }
        return checkpointed(inputs) { [body($0)] }[0]
    }

    /// The same tensors; when backward passes here, the observer is told.
    private func boundary(
        _ tensors: [Tensor], _ tell: @escaping (any UnitObserver, Int) -> Void
    ) -> [Tensor] {
        let (index, observer) = (index, observer)
        let watched = tensors.indices.filter { tensors[$0].requiresGradient }
        let passed = customGradient("\(name) boundary", inputs: watched.map { tensors[$0] }) {
            watched.map { tensors[$0] }
        } backward: { gradients in
            if let observer { tell(observer, index) }
            return gradients
        }
        var result = tensors
        for (place, tensor) in zip(watched, passed) { result[place] = tensor }
        return result
    }
}

extension [Unit] {
    /// Runs a part of the model that reads parameters of several units.
    public func run(_ inputs: [Tensor], _ body: @escaping ([Tensor]) -> Tensor) -> Tensor {
        guard let first else { return body(inputs) }
        let others = Array(dropFirst())
        return first.run(inputs) { others.run($0, body) }
    }
}

/// All parameters of a model in the order of declaration, and its units.
public final class ParameterStore {
    /// Those that an engine, or ``allocate(dtype:device:)``, gives memory.
    public private(set) var parameters: [Parameter] = []
    /// Frozen weights that are held in few bits, on every rank whole.
    public private(set) var quantized: [Parameter] = []
    public private(set) var units: [Unit] = []
    private var byName: [String: Parameter] = [:]

    /// Adapters of the model that is declared here; nil: all its parameters are trained.
    public let adaptation: (any LayerAdaptation)?

    /// Whether the forward pass that runs, or ran last, belongs to training: updates drop then.
    public var isTraining = false

    public init(adaptation: (any LayerAdaptation)? = nil) {
        self.adaptation = adaptation
        units = [Unit(name: "root", index: 0)]
    }

    /// The top of the tree; parameters declared outside of any unit belong to unit 0.
    public var root: Scope { Scope(store: self, path: "", unit: units[0]) }

    public subscript(name: String) -> Parameter? { byName[name] }

    public var elementCount: Int {
        (parameters + quantized).reduce(0) { $0 + $1.spec.elementCount }
    }

    /// Of all parameters, quantised ones included.
    public var specs: [ParameterSpec] { (parameters + quantized).map(\.spec) }

    func makeUnit(named name: String) -> Unit {
        let unit = Unit(name: name, index: units.count)
        units.append(unit)
        return unit
    }

    func declare(_ spec: ParameterSpec, _ initializer: Initializer) -> Parameter {
        let parameter = Parameter(spec: spec, initializer: initializer)
        parameters.append(parameter)
        return register(parameter)
    }

    func declareQuantized(
        _ spec: ParameterSpec, _ initializer: Initializer, _ format: WeightQuantization
    ) -> Parameter {
        let parameter = Parameter(
            spec: spec, initializer: initializer,
            quantized: QuantizedWeight(format, shape: spec.shape))
        quantized.append(parameter)
        return register(parameter)
    }

    private func register(_ parameter: Parameter) -> Parameter {
        precondition(
            byName[parameter.name] == nil, "the parameter \(parameter.name) is declared twice")
        byName[parameter.name] = parameter
        return parameter
    }

    /// Gives every parameter memory of its own: for inference and tests, where no engine does.
    public func allocate(dtype: DType, device: Device = .cpu) {
        for parameter in parameters {
            parameter.value = .empty(parameter.shape, dtype: dtype, device: device)
        }
    }

    /// Fills all parameters with their initial values.
    public func initialize(seed: UInt64) {
        withoutGradient {
            for parameter in parameters {
                parameter.initializer.fill(parameter.value, name: parameter.name, seed: seed)
            }
        }
    }
}
