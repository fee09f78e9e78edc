public import ApusBase
public import ApusTensor

/// A trainable array of a model: an identity whose tensor the engine provides and may exchange.
public final class Parameter {
    public internal(set) var spec: ParameterSpec

    /// How it begins when no file gives its values.
    public let initializer: Initializer

    private var tensor: Tensor?

    init(spec: ParameterSpec, initializer: Initializer) {
        self.spec = spec
        self.initializer = initializer
    }

    public var name: String { spec.name }
    public var shape: [Int] { spec.shape }

    /// The tensor to compute with. Models are declared first and get memory afterwards, from an
    /// engine or from ``ParameterStore/allocate(dtype:device:)``; reading earlier is a programmer's
    /// error.
    public var value: Tensor {
        get {
            guard let tensor else {
                preconditionFailure("parameter \(name) is read before the model was given memory")
            }
            return tensor
        }
        set {
            precondition(
                newValue.shape == shape,
                "parameter \(name) has shape \(shape), not \(newValue.shape)")
            tensor = newValue
        }
    }
}
