public import ApusBase
public import ApusComm
public import ApusOptim
public import ApusShard
public import ApusTensor

/// What became of an optimizer step.
public enum StepOutcome: Sendable, Hashable {
    /// `gradientNorm` is the global norm before clipping.
    case updated(gradientNorm: Double)
    /// Nothing was changed, on any rank.
    case skipped(SkipReason)

    public enum SkipReason: Sendable, Hashable {
        case nonFiniteGradient
    }
}

/// What an engine is told once.
public struct EngineOptions: Sendable {
    public var precision = PrecisionPolicy.float32
    public var rule: any UpdateRule = AdamW()
    public var weightDecay = 0.0
    /// Whether norms and biases decay too, which custom spares.
    public var decaysEverything = false
    /// Clips the global norm; nil does not.
    public var maximumGradientNorm: Double?

    public init() {}
}

/// Trains parameters on all ranks of a group: holds weights, gradients and optimizer state, reduces
/// gradients under backward, and updates.
///
/// It takes parameters as plain specifications and hands out leaf tensors to compute with; it knows
/// no module system. A window is the micro-batches of one optimizer step:
///
///     engine.beginWindow()
///     for batch in window { try engine.backward(loss(batch), isLast: batch is the last) }
///     let outcome = try engine.step(learningRate: rate, gradientScale: 1 / trainedTokens)
///
/// All calls come from one thread, in the same order on all ranks.
public final class Engine {
    public let options: EngineOptions
    public let group: any ProcessGroup
    public let layout: ModelLayout
    private var units: [UnitStorage] = []
    private var places: [Int: (unit: Int, slot: Int)] = [:]
    private var reductions: ReductionOrder
    private var reducesNow = false
    /// Optimizer steps that changed the weights.
    public private(set) var updateCount = 0

    /// Allocates everything but the optimizer's state, whose memory comes with the first step.
    ///
    /// - unitNames: by unit index, as the specifications refer to it
    public init(
        specs: [ParameterSpec], unitNames: [String], options: EngineOptions, group: any ProcessGroup
    ) {
        self.options = options
        self.group = group
        let specs = specs.map { spec in
            var spec = spec
            spec.decays = spec.decays || options.decaysEverything
            return spec
        }
        let layout = ModelLayout(specs: specs, unitNames: unitNames, worldSize: group.worldSize)
        self.layout = layout
        reductions = ReductionOrder(
            units: layout.units.indices.filter { layout.units[$0].isTrainable })
        for (unit, unitLayout) in layout.units.enumerated() {
            units.append(UnitStorage(unitLayout, precision: options.precision, group: group))
            for (slot, place) in unitLayout.slots.enumerated() {
                places[place.parameter] = (unit, slot)
            }
        }
        for unit in units.indices where units[unit].layout.isTrainable { watch(unit) }
    }

    /// The leaf tensor of a parameter, by its index among the specifications.
    public func tensor(ofParameter index: Int) -> Tensor {
        guard let place = places[index] else { preconditionFailure("no parameter \(index)") }
        return units[place.unit].parameters[place.slot]
    }

    /// Lets `fill` write the fp32 values of every parameter; rounding to the compute dtype follows.
    public func load(
        _ fill: (ParameterSpec, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        for unit in units {
            for (index, slot) in unit.layout.slots.enumerated() {
                try unit.load(index) { try fill(slot.spec, $0) }
            }
        }
    }

    // MARK: A window

    /// Before the first micro-batch of an optimizer step.
    public func beginWindow() {
        for unit in units { unit.beginWindow() }
        reductions.beginWindow()
    }

    /// Computes and accumulates the gradients of one micro-batch's summed loss; with the last,
    /// units are reduced as soon as their gradients are complete.
    public func backward(_ loss: Tensor, isLast: Bool) throws {
        for unit in units { unit.beginMicroBatch() }
        reducesNow = isLast
        defer { reducesNow = false }
        try catchingTensorErrors { loss.backward() }
        if isLast { try start(reductions.finishWindow()) }
    }

    /// Takes part in a window's reduction without a micro-batch of its own.
    public func finishWindowWithoutBatch() throws { try start(reductions.finishWindow()) }

    /// Reduces, clips and updates.
    ///
    /// - gradientScale: multiplies the summed gradients: one over the window's trained tokens
    public func step(learningRate: Double, gradientScale: Double) throws -> StepOutcome {
        for unit in units { try unit.finishReduction() }
        let squares = units.reduce(0) { $0 + $1.sumOfSquares() }
        let norm = squares.squareRoot() * gradientScale
        guard norm.isFinite else { return .skipped(.nonFiniteGradient) }
        var scale = Float(gradientScale)
        if let limit = options.maximumGradientNorm {
            scale *= clipFactor(norm: norm, maximumNorm: limit)
        }
        updateCount += 1
        let hyper = HyperParameters(
            learningRate: learningRate, step: updateCount, gradientScale: scale)
        for unit in units {
            unit.update(options.rule, hyper, weightDecay: options.weightDecay)
        }
        return .updated(gradientNorm: norm)
    }

    // MARK: Reduction under backward

    private func watch(_ unit: Int) {
        for (slot, parameter) in units[unit].parameters.enumerated() {
            parameter.onGradientAccumulated { [unowned self] in
                try gradientIsReady(unit: unit, slot: slot)
            }
        }
    }

    /// Runs inside backward. A parameter whose gradient arrives in two parts would come after its
    /// unit's reduction has started: that is refused rather than summed wrongly.
    private func gradientIsReady(unit: Int, slot: Int) throws {
        precondition(
            !reductions.hasStarted(unit),
            "a second gradient for \(units[unit].layout.slots[slot].spec.name) in one backward, "
                + "after its unit was reduced: do not use a parameter both inside and outside of "
                + "a recomputed block"
        )
        guard units[unit].collectGradient(of: slot), reducesNow else { return }
        try start(reductions.gradientsAreComplete(unit))
    }

    private func start(_ ready: [Int]) throws(CommError) {
        for unit in ready { try units[unit].startReduction(group) }
    }
}
