/// What an engine needs to know of a parameter before it has any memory.
public struct ParameterSpec: Sendable, Hashable {
    /// The path in the model, as HuggingFace names it: `model.layers.0.mlp.up_proj.weight`.
    public let name: String
    public let shape: [Int]
    /// Index of the unit whose parameters are gathered, released and reduced together.
    public let unit: Int
    /// False for frozen parameters: no gradient, no optimizer state.
    public var isTrainable: Bool
    /// Whether weight decay applies; norms and biases are spared by custom.
    public var decays: Bool
    /// What the step's learning rate is multiplied by.
    public var rateFactor = 1.0
    /// Whether rows stand for themselves, one a token: embeddings and heads, which some optimizers
    /// do not treat as matrices.
    public var isTable = false
    /// nil: the dtype that the model computes with; otherwise one of its own, such as fp32 for a
    /// router in a bf16 model.
    public var dtype: DType?

    public init(
        name: String, shape: [Int], unit: Int, isTrainable: Bool = true, decays: Bool,
        dtype: DType? = nil
    ) {
        self.name = name
        self.shape = shape
        self.unit = unit
        self.isTrainable = isTrainable
        self.decays = decays
        self.dtype = dtype
    }

    public var elementCount: Int { shape.reduce(1, *) }
}
