public import ApusBase
public import ApusTensor

/// A trainable array of a model: an identity whose tensor the engine provides and may exchange.
public final class Parameter {
    public internal(set) var spec: ParameterSpec

    /// How it begins when no file gives its values.
    public let initializer: Initializer

    /// Set for frozen weights that are held in few bits: no engine has them.
    public let quantized: QuantizedWeight?

    private var tensor: Tensor?

    init(spec: ParameterSpec, initializer: Initializer, quantized: QuantizedWeight? = nil) {
        self.spec = spec
        self.initializer = initializer
        self.quantized = quantized
    }

    public var name: String { spec.name }
    public var shape: [Int] { spec.shape }

    /// Gives the parameter a learning rate of its own; before an engine is told of it.
    ///
    /// - factor: what the step's learning rate is multiplied by
    public func scaleLearningRate(by factor: Double) { spec.rateFactor = factor }

    /// Lets the parameter be trained though its model is frozen; before an engine is told of it.
    public func train() { spec.isTrainable = true }

    /// The tensor to compute with. Models are declared first and get memory afterwards, from an
    /// engine or from ``ParameterStore/allocate(dtype:device:)``; reading earlier is a programmer's
    /// error. Of a quantised weight it is a fresh copy each time.
    public var value: Tensor {
        get {
            if let quantized { return quantized.decoded() }
            guard let tensor else {
                preconditionFailure("parameter \(name) is read before the model was given memory")
            }
            return tensor
        }
        set {
            precondition(quantized == nil, "parameter \(name) is quantised: encode its values")
            precondition(
                newValue.shape == shape,
                "parameter \(name) has shape \(shape), not \(newValue.shape)")
            tensor = newValue
        }
    }
}
