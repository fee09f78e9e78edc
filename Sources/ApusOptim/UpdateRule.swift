internal import ApusBase

/// How an optimizer changes parameters: a formula over memory, without state of its own.
///
/// The engine owns the flat buffers of a unit (weights, gradient, states) and knows parameter
/// boundaries; a rule says which states it needs and updates a slice. So the same rule serves
/// whole parameters, shards of them that start and end anywhere, and tiles of an offloaded shard.
/// Slices that share no memory may be updated from several threads at once.
public protocol UpdateRule: Sendable {
    /// The field's name, for logs and checkpoints: `adamw`, `sgd`, `lion`, `adafactor`.
    var name: String { get }

    /// What a slice may be.
    var granularity: UpdateGranularity { get }

    /// Whether tables of vectors (embeddings, heads) are given to the rule without their shape, so
    /// that it does not take them for matrices.
    var updatesTablesAsVectors: Bool { get }

    /// The fp32 states of a slice with `shape` (for `.elements`: `[count]`), all of which start
    /// as zeros. Names are the keys under which checkpoints store them.
    func states(forShape shape: [Int]) -> [OptimizerState]

    /// Updates `slice.weights` and its states in one pass over the memory.
    func update(_ slice: UpdateSlice, _ hyperParameters: HyperParameters)
}

extension UpdateRule {
    public var updatesTablesAsVectors: Bool { false }
}

public enum UpdateGranularity: Sendable {
    /// Each element is updated by itself; a slice may be cut anywhere.
    case elements
    /// The rule looks at a parameter as a whole; a slice is exactly one parameter.
    case wholeParameters
}

/// One fp32 buffer that a rule keeps for a slice.
public struct OptimizerState: Sendable, Hashable {
    public let name: String
    public let shape: [Int]

    public init(_ name: String, shape: [Int]) {
        self.name = name
        self.shape = shape
    }

    public var count: Int { shape.reduce(1, *) }
}

/// What may differ between parameter groups and steps.
public struct HyperParameters: Sendable, Hashable {
    public var learningRate: Double
    public var weightDecay: Double
    /// The number of this update, 1 for the first.
    public var step: Int
    /// Multiplies every gradient: the inverse loss scale times the clipping factor.
    public var gradientScale: Float

    public init(
        learningRate: Double, weightDecay: Double = 0, step: Int, gradientScale: Float = 1
    ) {
        precondition(step >= 1, "HyperParameters: updates are counted from 1, not \(step)")
        self.learningRate = learningRate
        self.weightDecay = weightDecay
        self.step = step
        self.gradientScale = gradientScale
    }
}

/// The memory that one update reads and writes; borrowed for the call.
public struct UpdateSlice {
    /// fp32 parameters, or the fp32 master weights of low-precision ones.
    public var weights: FloatMemory
    public var gradient: FloatMemory
    /// One buffer for each of `states(forShape: shape)`, in that order.
    public var states: [UnsafeMutablePointer<Float>]
    /// Receives the new weights rounded to its format: the parameters that the model computes
    /// with, if those are not `weights` themselves.
    public var roundedWeights: FloatMemory?
    public var shape: [Int]

    /// - Parameter shape: the parameter's, for rules that need it; a run of elements if nil.
    public init(
        weights: FloatMemory, gradient: FloatMemory, states: [UnsafeMutablePointer<Float>],
        roundedWeights: FloatMemory? = nil, shape: [Int]? = nil
    ) {
        precondition(weights.dtype == .float32, "UpdateSlice: weights must be float32")
        precondition(
            gradient.count == weights.count,
            "UpdateSlice: \(gradient.count) gradient elements for \(weights.count) weights")
        if let rounded = roundedWeights {
            precondition(
                rounded.count == weights.count,
                "UpdateSlice: \(rounded.count) rounded elements for \(weights.count) weights")
        }
        self.weights = weights
        self.gradient = gradient
        self.states = states
        self.roundedWeights = roundedWeights
        self.shape = shape ?? [weights.count]
        precondition(
            self.shape.reduce(1, *) == weights.count,
            "UpdateSlice: shape \(self.shape) for \(weights.count) weights")
    }

    public var count: Int { weights.count }
}
