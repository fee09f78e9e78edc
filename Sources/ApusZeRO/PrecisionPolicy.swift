public import ApusBase

/// The dtypes of a training run. Gradients are accumulated and reduced in `reduction`, masters and
/// moments are fp32.
public struct PrecisionPolicy: Sendable, Hashable {
    /// What the model holds and computes with.
    public var compute: DType
    public var reduction: DType

    public static let float32 = PrecisionPolicy(compute: .float32, reduction: .float32)
    /// bf16 weights and arithmetic over fp32 master weights.
    public static let bfloat16 = PrecisionPolicy(compute: .bfloat16, reduction: .float32)

    public init(compute: DType, reduction: DType) {
        self.compute = compute
        self.reduction = reduction
    }

    /// Whether masters are kept apart from the weights.
    public var hasMasters: Bool { compute != .float32 }
}
