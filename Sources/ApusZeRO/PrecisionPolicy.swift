public import ApusBase

/// The dtypes of a training run.
public struct PrecisionPolicy: Sendable, Hashable {
    /// What parameters are held and gathered in, and what the model computes with.
    public var compute: DType
    /// What gradients travel and add up in: between ranks, and over the micro-batches of a window.
    public var reduction = DType.float32
    /// The weights that the optimizer changes: fp32, or `compute` for none apart from the
    /// parameters.
    public var master = DType.float32
    /// Optimizer states of element-wise rules.
    public var moment = DType.float32
    /// Scales the loss so that fp16 gradients do not vanish; nil: not needed.
    public var lossScale: LossScalePolicy?

    public static let float32 = PrecisionPolicy(compute: .float32)
    /// bf16 weights and arithmetic over fp32 master weights.
    public static let bfloat16 = PrecisionPolicy(compute: .bfloat16)
    /// fp16 weights and arithmetic over fp32 master weights, with a dynamic loss scale.
    public static let float16 = PrecisionPolicy(compute: .float16, lossScale: LossScalePolicy())

    public init(
        compute: DType, reduction: DType = .float32, lossScale: LossScalePolicy? = nil
    ) {
        self.compute = compute
        self.reduction = reduction
        self.lossScale = lossScale
    }
}
