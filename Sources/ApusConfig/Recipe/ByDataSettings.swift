/// `peft.eva_config`: the matrices begin along the directions in which the layers' inputs vary
/// most.
public struct EVASettings: Sendable, Hashable {
    /// A layer gets at most this times its rank.
    public var rho = 2.0
    /// The cosine with which a direction has settled.
    public var tau = 0.99
    public var usesLabelMask = true
    public var labelMaskValue = -100
    public var whitens = false
    public var adjustsScale = true

    public init() {}
}

/// `peft.corda_config`: the matrices are taken out of the weights along what the data uses most or
/// least.
public struct CorDASettings: Sendable, Hashable {
    public var method = CorDAMethod.ipm
    public var isNarrow = false

    public init() {}
}

public enum CorDAMethod: String, Sendable, Hashable, CaseIterable { case ipm, kpm }

/// `peft.lora_ga_config`: the matrices begin along the gradients of the weights.
public struct LoRAGASettings: Sendable, Hashable {
    public var direction = LoRAGADirection.largestDown
    public var scale = LoRAGAScale.stable
    public var stableGamma = 16.0

    public init() {}
}

/// Which singular vectors of the gradient each matrix gets.
public enum LoRAGADirection: String, Sendable, Hashable, CaseIterable {
    case alternating = "ArBr"
    case largestUp = "A2rBr"
    case largestDown = "ArB2r"
    case random
}

public enum LoRAGAScale: String, Sendable, Hashable, CaseIterable {
    case stable
    case weight = "weight_svd"
    case descent = "gd_scale"
    case unit
}
