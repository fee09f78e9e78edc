/// What training minimises beside the plain loss; evaluation is always plain.
public struct LossSettings: Sendable, Hashable {
    /// The share of the target that is spread over all tokens.
    public var labelSmoothing = 0.0
    /// What the square of each token's log partition function counts.
    public var zLossWeight = 0.0
    /// Noise on the embeddings; nil: none.
    public var neftuneNoiseAlpha: Double?

    public init() {}
}
