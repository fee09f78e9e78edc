/// Which model states are spread over the ranks of a group instead of being copied to each.
///
/// The stages of ZeRO (Rajbhandari et al.: "ZeRO: Memory Optimizations Toward Training Trillion
/// Parameter Models", 2020, section 5); each includes those before it. A strategy changes which
/// actions the plans emit; there is one engine for all.
public enum ShardingStrategy: String, Sendable, Hashable, CaseIterable {
    /// Every rank holds everything (stage 0): data parallelism.
    case none
    /// Optimizer states and master weights are sharded (stage 1). Gradients add up locally and are
    /// reduced once a window.
    case optimizerState = "optimizer"
    /// Gradients too (stage 2): reduced after each micro-batch.
    case gradients
    /// Parameters too (stage 3): gathered before use, released after.
    case parameters

    /// The number that DeepSpeed gives it.
    public var stage: Int {
        switch self {
        case .none: 0
        case .optimizerState: 1
        case .gradients: 2
        case .parameters: 3
        }
    }

    public var shardsGradients: Bool { stage >= 2 }
    public var shardsParameters: Bool { self == .parameters }
}

/// How model states are spread, and how much memory may be spent on being early.
public struct ShardingPolicy: Sendable, Hashable {
    public var strategy = ShardingStrategy.none

    /// Ranks that share one copy of the model; groups of that size replicate each other (hybrid
    /// sharding). nil: all ranks share one copy.
    public var groupSize: Int?

    /// Bytes of parameters that may be gathered ahead of their use, or kept for a use that comes
    /// soon. Zero gathers each unit when it is needed and not before.
    public var prefetchBytes = 64 << 20

    /// Keeps gathered parameters from one micro-batch of a window to the next: fewer gathers for
    /// more memory.
    public var keepsGatheredInWindow = false

    /// Bytes of gradients whose reduction may be under way at a time; one reduction always may.
    public var reductionBytes = 64 << 20

    /// False waits for each collective where it is started: slower, the same numbers.
    public var overlaps = true

    public init(_ strategy: ShardingStrategy = .none) { self.strategy = strategy }
}
