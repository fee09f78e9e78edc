public import ApusTensor

/// What is laid beside the layers of a model, decided while it is declared.
///
/// A model's code does not know of adapters: its ``Linear``, ``Conv1D`` and ``Embedding`` layers
/// ask the store's adaptation, and compute with what it gives them.
public protocol LayerAdaptation: AnyObject {
    /// The low-rank update that the layer gets; nil: none.
    ///
    /// - path: as model files name the layer: `model.layers.0.self_attn.q_proj`
    func update(forLayer path: String, kind: LayerKind) -> LowRankOptions?

    /// The low-rank update of a parameter `[experts, outputs, inputs]`, by its path; nil: none.
    func update(ofExperts parameter: String) -> LowRankOptions?

    /// How the layer's frozen weight is held; nil: as it is.
    func quantization(ofLayer path: String, kind: LayerKind) -> WeightQuantization?

    /// Whether a head that is the embedding has the embedding's update.
    var tiesUpdates: Bool { get }

    /// Rows of a table that are trained while the others stay as they are; nil: none of them apart.
    func trainedRows(ofTable path: String) -> [Int]?

    /// Whether a parameter of the model itself is trained; all others are frozen.
    func trains(_ parameter: String) -> Bool

    /// Is shown whatever goes into the layer, `[..., inputs]`; nil: nobody looks.
    func watcher(ofLayer path: String, kind: LayerKind) -> ((Tensor) -> Void)?
}

extension LayerAdaptation {
    public func watcher(ofLayer path: String, kind: LayerKind) -> ((Tensor) -> Void)? { nil }
}

extension Scope {
    /// Who looks at the inputs of the layer whose parameters stand here.
    public func watcher(kind: LayerKind) -> ((Tensor) -> Void)? {
        guard acceptsUpdates else { return nil }
        return store.adaptation?.watcher(ofLayer: path, kind: kind)
    }
}

/// The kinds of layers that can have a low-rank update.
public enum LayerKind: Sendable, Hashable {
    case linear
    /// Linear, with the weight stored `[inputs, outputs]`.
    case transposedLinear
    case embedding
    /// The linear layer from hidden states to logits.
    case outputHead
}

/// The shape and beginning of a low-rank update.
///
/// Source: Hu et al.: "LoRA" (2021), 4.1.
public struct LowRankOptions: Sendable, Hashable {
    public var rank: Int
    /// What the product of both factors is multiplied by.
    public var scale: Double
    /// Of the update's input, in training.
    public var dropout = 0.0
    /// The second factor has a bias.
    public var hasBias = false
    /// Liu et al.: "DoRA" (2024): the direction of each row is updated by the factors, its length
    /// is a parameter of its own.
    public var isWeightDecomposed = false
    /// Whether the second factor is trained, or the first alone.
    public var trainsUp = true
    /// Whether the factors that the update begins with are kept beside it, frozen: as
    /// `lora_start_A.weight` and `lora_start_B.weight`.
    public var keepsStart = false
    public var initialization = Initialization.identity

    public init(rank: Int, scale: Double) {
        self.rank = rank
        self.scale = scale
    }

    public enum Initialization: Sendable, Hashable {
        /// The first factor uniform, the second zero: the model begins unchanged.
        case identity
        /// The same with a first factor of standard deviation 1 / rank.
        case gaussian
        /// Both factors random: the model begins changed.
        case random
        /// Factors come from the base weight or from data; until then they are zero.
        case fromWeight
    }
}
