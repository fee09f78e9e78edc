/// Small trained matrices beside frozen weights, in the words of axolotl and PEFT.
public struct AdapterSettings: Sendable, Hashable {
    /// nil: all weights are trained.
    public var kind: AdapterKind?
    /// Where an adapter lies whose training goes on.
    public var modelDirectory: String?
    public var loadIn8Bit = false
    public var loadIn4Bit = false
    public var quantization = QuantizationSettings()
    public var rank: Int?
    public var alpha: Double?
    public var dropout = 0.0
    /// Several names, or one regular expression.
    public var targetModules: [String] = []
    /// Every linear layer but the output head.
    public var targetLinear = false
    public var excludeModules: [String] = []
    public var modulesToSave: [String] = []
    public var biases = AdapterBiases.none
    public var rankPattern: [String: Int] = [:]
    public var alphaPattern: [String: Double] = [:]
    public var usesDoRA = false
    public var usesRankStabilizedScale = false
    public var layersToTransform: [Int] = []
    public var initialization = AdapterInitialization.standard
    /// LoRA+: the learning rate of second factors over that of the first ones; nil: one for all.
    public var plusRatio: Double?
    /// LoRA+: the learning rate of an embedding's factors.
    public var plusEmbeddingRate = 1e-6

    public init() {}
}

public enum AdapterKind: String, Sendable, Hashable, CaseIterable {
    case lora
    /// The frozen weights are held in 4 bits.
    case qlora
}

public enum AdapterBiases: String, Sendable, Hashable, CaseIterable {
    case none, all
    case loraOnly = "lora_only"
}

public enum AdapterInitialization: String, Sendable, Hashable, CaseIterable {
    case standard = "true"
    case random = "false"
    case gaussian, orthogonal, pissa, olora
}

/// `bnb_config_kwargs`.
public struct QuantizationSettings: Sendable, Hashable {
    /// The scales of the blocks are themselves held in 8 bits.
    public var usesDoubleQuantization = true
    public var type = FourBitType.nf4

    public init() {}
}

public enum FourBitType: String, Sendable, Hashable, CaseIterable { case nf4 }
