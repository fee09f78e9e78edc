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
    /// Joined matrices of experts.
    public var targetParameters: [String] = []
    /// Pairs of a first layer and the one after the last.
    public var layerReplication: [[Int]] = []
    public var modulesToSave: [String] = []
    public var biases = AdapterBiases.none
    public var rankPattern: [String: Int] = [:]
    public var alphaPattern: [String: Double] = [:]
    public var usesDoRA = false
    public var usesRankStabilizedScale = false
    public var layersToTransform: [Int] = []
    public var initialization = AdapterInitialization.standard
    public var peft = PEFTSettings()
    /// How many steps' data a beginning by data looks at; nil: what is usual for it.
    public var beginningSteps: Int?
    public var trainedRows = TrainedTokenRows.tokens([])
    /// Embedding and head stay one.
    public var tiesWeights = false
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

/// How an adapter begins.
public enum AdapterInitialization: RawRepresentable, Sendable, Hashable, CaseIterable {
    case standard, random, gaussian, orthogonal, pissa, olora, loftq, mica, eva, corda, loraGA
    /// PiSSA by so many iterations on a subspace.
    case fastPissa(iterations: Int)

    private static let plain: [Self] = [
        .standard, .random, .gaussian, .orthogonal, .pissa, .olora, .loftq, .mica, .eva, .corda,
        .loraGA,
    ]
    private static let fast = "pissa_niter_"

    /// The last stands for any number.
    public static var allCases: [Self] { plain + [.fastPissa(iterations: 16)] }

    public init?(rawValue: String) {
        if let word = Self.plain.first(where: { $0.rawValue == rawValue }) {
            self = word
        } else if rawValue.hasPrefix(Self.fast),
            let count = Int(rawValue.dropFirst(Self.fast.count)), count >= 0
        {
            self = .fastPissa(iterations: count)
        } else {
            return nil
        }
    }

    public var rawValue: String {
        switch self {
        case .standard: "true"
        case .random: "false"
        case .gaussian: "gaussian"
        case .orthogonal: "orthogonal"
        case .pissa: "pissa"
        case .olora: "olora"
        case .loftq: "loftq"
        case .mica: "mica"
        case .eva: "eva"
        case .corda: "corda"
        case .loraGA: "lora_ga"
        case .fastPissa(let iterations): "\(Self.fast)\(iterations)"
        }
    }
}

/// `peft.loftq_config`: weights are quantised, and the matrices begin as what that loses.
public struct LoftQSettings: Sendable, Hashable {
    /// nil: no such beginning.
    public var bits: LoftQBits?
    public var iterations = 1

    public init() {}
}

public enum LoftQBits: String, Sendable, Hashable, CaseIterable {
    case four = "4"
    case eight = "8"
}

/// `peft`: what axolotl hands to PEFT as it is.
public struct PEFTSettings: Sendable, Hashable {
    public var loftQ = LoftQSettings()
    public var eva = EVASettings()
    public var corda = CorDASettings()
    public var loraGA = LoRAGASettings()

    public init() {}
}

/// Rows of tables that are trained while the others are not.
public enum TrainedTokenRows: Sendable, Hashable {
    /// Of the embedding.
    case tokens([Int])
    case tables([String: [Int]])
}

/// `bnb_config_kwargs`.
public struct QuantizationSettings: Sendable, Hashable {
    /// The scales of the blocks are themselves held in 8 bits.
    public var usesDoubleQuantization = true
    public var type = FourBitType.nf4

    public init() {}
}

public enum FourBitType: String, Sendable, Hashable, CaseIterable { case nf4 }
