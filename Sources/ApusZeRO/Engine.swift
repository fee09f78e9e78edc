public import ApusBase
public import ApusComm
internal import ApusOptim
public import ApusShard
public import ApusTensor

/// Trains parameters on all ranks of a group: holds weights, gradients and optimizer states,
/// spread as its sharding policy says, and moves them when they are needed.
///
/// It takes parameters as plain specifications and hands out leaf tensors to compute with; it knows
/// no module system. A window is the micro-batches of one optimizer step:
///
///     engine.beginWindow(gradientScale: 1 / trainedTokens)
///     for batch in window {
///         let loss = try engine.computing { loss(batch) }
///         try engine.backward(loss, isLast: batch is the last)
///     }
///     let outcome = try engine.step(learningRate: rate)
///
/// Whoever computes with a unit tells so (``willForward(_:)`` and its companions): needed where
/// parameters are sharded, and what lets reductions start early everywhere. All calls come from one
/// thread, in the same order on all ranks.
public final class Engine {
    public let options: EngineOptions
    /// All ranks.
    public let group: any ProcessGroup
    public let layout: ModelLayout
    let groups: RankGroups
    let units: [UnitState]
    /// The flat buffers of each unit of the front end.
    private let buffersOfUnit: [[Int]]
    private let places: [Int: (buffer: Int, slot: Int)]
    private let owners: [Int: Int]
    let gradientBuffers: GradientBuffers
    private var gathers: GatherPlanner
    private var reductions: ReductionOrder
    /// Flat buffers whose reduction is under way, in the order of starting.
    private var reducing: [Int] = []
    private var isCollecting = false
    private var reducesNow = false
    /// No micro-batch of the window has gone through backward yet.
    private var isFirst = true
    /// What the loss is multiplied by. fp16 gradients are born at their final scale times the loss
    /// scale, so that they neither vanish nor overflow; others are scaled in the update.
    private var lossWeight = 1.0
    /// What the reduced gradient is multiplied by, clipping aside.
    private(set) var updateScale = 1.0
    /// The first failure of a collective inside of forward or backward, where it cannot be thrown.
    private var failure: CommError?
    public internal(set) var lossScaler: LossScaler?
    /// Optimizer steps that changed the weights.
    public internal(set) var updateCount = 0

    /// Allocates everything but the optimizer's states, whose memory comes with the first step.
    ///
    /// - unitNames: by unit index, as the specifications refer to it
    /// - group: all ranks
    /// - deviceGroup: the same ranks, for memory of `options.device`, where that is no host
    /// - Throws: `EngineError` where sharding groups do not fill the world; `CommError`
    public init(
        specs: [ParameterSpec], unitNames: [String], options: EngineOptions,
        group: any ProcessGroup, deviceGroup: (any ProcessGroup)? = nil
    ) throws {
        var options = options
        // Alone in its group a rank has nothing to share: the copies are replicas.
        if options.sharding.groupSize ?? group.worldSize == 1 { options.sharding.strategy = .none }
        let groups = try RankGroups(group, data: deviceGroup ?? group, policy: options.sharding)
        self.groups = groups
        self.options = options
        self.group = group
        let specs = specs.map { spec in
            var spec = spec
            spec.decays = spec.decays || options.decaysEverything
            return spec
        }
        let layout = ModelLayout(
            specs: specs, unitNames: unitNames, shardCount: groups.shard.worldSize)
        self.layout = layout
        places = layout.parameterPlaces
        owners = layout.owners(rankCount: groups.shard.worldSize)
        gradientBuffers = GradientBuffers(groups.shard, device: options.device)
        let parts = EngineParts(options, groups: groups, buffers: gradientBuffers)
        let units = layout.units.map(parts.makeUnit)
        self.units = units
        let buffersOfUnit = unitNames.indices.map { unit in
            layout.units.indices.filter { layout.units[$0].unit == unit }
        }
        self.buffersOfUnit = buffersOfUnit
        gathers = GatherPlanner(
            byteCounts: buffersOfUnit.map { $0.reduce(0) { $0 + units[$1].weights.byteCount } },
            prefetchBytes: options.sharding.overlaps ? options.sharding.prefetchBytes : 0,
            keepsGatheredInWindow: options.sharding.keepsGatheredInWindow)
        reductions = ReductionOrder(
            units: layout.units.indices.filter { layout.units[$0].isTrainable })
        lossScaler = options.precision.lossScale.map { LossScaler($0) }
        for buffer in units.indices where layout.units[buffer].isTrainable { watch(buffer) }
    }

    /// The leaf tensor of a parameter, by its index among the specifications. Where parameters are
    /// sharded it has memory only between the announcements of its unit's use.
    public func tensor(ofParameter index: Int) -> Tensor {
        let place = place(ofParameter: index)
        return units[place.buffer].weights.parameters[place.slot]
    }

    func place(ofParameter index: Int) -> (buffer: Int, slot: Int) {
        guard let place = places[index] else { preconditionFailure("no parameter \(index)") }
        return place
    }

    /// Lets `fill` write fp32 values: for every parameter, the elements that this rank holds.
    /// Rounding to the compute dtype and spreading to other ranks follow.
    ///
    /// - settle: returns when all values have been written, where `fill` leaves that to other
    ///   threads
    public func load(
        _ fill: (ParameterSpec, Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void,
        settle: () -> Void = {}
    ) throws {
        try weightsWillChange()
        for unit in units { try unit.weights.load(fill, settle: settle) }
        settle()
        for unit in units { unit.weights.roundMasters() }
        try weightsDidChange()
    }

    // MARK: A window

    /// Before the first micro-batch of an optimizer step.
    ///
    /// - gradientScale: multiplies the summed gradients: one over the window's trained tokens
    public func beginWindow(gradientScale: Double = 1) throws {
        lossWeight = lossScaler.map { $0.scale * gradientScale } ?? 1
        updateScale = lossScaler.map { 1 / $0.scale } ?? gradientScale
        isFirst = true
        for unit in units { unit.gradient?.beginWindow() }
        try execute(gathers.handle(.beginWindow))
        try finishGathers()
    }

    /// Runs a computation over the parameters.
    ///
    /// - Throws: the first failure of a tensor operation or of a gather in it
    public func computing<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            let result = try catchingTensorErrors(body)
            try throwFailure()
            return result
        } catch {
            try throwFailure()
            throw error
        }
    }

    /// Computes and accumulates the gradients of one micro-batch's summed loss. Units are reduced
    /// as soon as their gradients are complete: after every micro-batch where gradients are
    /// sharded, else after the last.
    ///
    /// - retainsGraph: the graph is gone through once more, by another loss
    public func backward(_ loss: Tensor, isLast: Bool, retainsGraph: Bool = false) throws {
        beginBackward(isLast: isLast)
        try Trace.shared.span("micro-batch", .backward) {
            try computing {
                loss.backward(
                    gradient: lossWeight == 1 ? nil : loss.filledLike(lossWeight),
                    retainGraph: retainsGraph)
            }
        }
        try endBackward(isLast: isLast, retainsGraph: retainsGraph)
    }

    /// Takes part in the reductions of a micro-batch without one of its own. Not for sharded
    /// parameters, whose gathers every rank needs to join: there a rank computes on padding.
    public func skipMicroBatch(isLast: Bool) throws {
        precondition(
            !options.sharding.strategy.shardsParameters,
            "skipMicroBatch: with sharded parameters every rank computes in every micro-batch")
        beginBackward(isLast: isLast)
        try endBackward(isLast: isLast, retainsGraph: false)
    }

    private func beginBackward(isLast: Bool) {
        isCollecting = true
        reducesNow = isLast || options.sharding.strategy.shardsGradients
        reductions.begin()
        let addsUp = !reducesNow || (!options.sharding.strategy.shardsGradients && !isFirst)
        isFirst = false
        for unit in units {
            unit.completion.beginBackward()
            unit.gradient?.beginMicroBatch(addsUp: addsUp)
        }
    }

    private func endBackward(isLast: Bool, retainsGraph: Bool) throws {
        isCollecting = false
        for unit in units { unit.completion.endBackward(retainsGraph: retainsGraph) }
        try execute(gathers.handle(.endMicroBatch(isLast: isLast)))
        if reducesNow { try startReductions(reductions.finish()) }
    }

    // MARK: The step

    /// Reduces, clips and updates.
    public func step(learningRate: Double) throws -> StepOutcome {
        try step(learningRate: learningRate, sharing: []).outcome
    }

    /// As ``step(learningRate:)``, and tells every rank some numbers of every other rank in the
    /// same message.
    ///
    /// - Returns: `shared` by rank
    public func step(
        learningRate: Double, sharing numbers: [Double]
    ) throws -> (outcome: StepOutcome, shared: [[Double]]) {
        let squares = try reducedSquares()
        let told = try group.gathered([squares] + numbers, label: "gradient norm")
        let shared = told.map { Array($0.dropFirst()) }
        // By rank: the order of adding is the same everywhere.
        let sum = groups.shardMembers.reduce(0) { $0 + told[$1][0] }
        let norm = sum.squareRoot() * updateScale
        lossScaler?.update(isFinite: norm.isFinite)
        try weightsWillChange()
        guard norm.isFinite else { return (.skipped(.nonFiniteGradient), shared) }
        var factor = Float(updateScale)
        if let limit = options.maximumGradientNorm {
            factor *= clipFactor(norm: norm, maximumNorm: limit)
        }
        updateCount += 1
        let hyper = HyperParameters(
            learningRate: learningRate, step: updateCount, gradientScale: factor)
        try Trace.shared.span("update", .optimizer) { try update(hyper) }
        return (.updated(gradientNorm: norm), shared)
    }

    /// Waits for all reductions; the sum of squares of this rank's part of the gradient.
    private func reducedSquares() throws -> Double {
        while let oldest = reducing.first { try finishReduction(oldest) }
        for unit in units { try unit.gradient?.startReplication() }
        for unit in units { try unit.gradient?.finishReplication() }
        return units.reduce(0) { sum, unit in
            guard let gradient = unit.gradient, gradient.hasReduced else { return sum }
            return sum + gradient.shardPart.sumOfSquares()
        }
    }

    /// Updates units in the order of the next forward pass, whose gathers start meanwhile.
    private func update(_ hyper: HyperParameters) throws {
        for unit in buffersOfUnit.indices {
            for buffer in buffersOfUnit[unit] {
                let state = units[buffer]
                guard let gradient = state.gradient, gradient.hasReduced else { continue }
                try prepareOptimizer(of: state).update(
                    gradient: gradient.reduced, hyper, weightDecay: options.weightDecay)
            }
            try spread(unit)
        }
    }

    func prepareOptimizer(of unit: UnitState) -> UnitState.Optimizer {
        unit.preparedOptimizer(options, owners: owners, group: groups.shard)
    }

    /// Starts to bring a unit's changed weights to where they are computed with.
    private func spread(_ unit: Int) throws {
        if options.sharding.strategy.shardsParameters {
            try execute(gathers.handle(.didUpdate(unit)))
            return
        }
        for buffer in buffersOfUnit[unit] {
            try units[buffer].weights.startGather()
            if !options.sharding.overlaps { try units[buffer].weights.finishGather() }
        }
    }

    // MARK: Weights that change outside of a step

    /// Before this rank's elements are written.
    func weightsWillChange() throws {
        try finishGathers()
        try execute(gathers.handle(.willUpdate))
    }

    /// After all of them were.
    func weightsDidChange() throws {
        for unit in buffersOfUnit.indices { try spread(unit) }
        try finishGathers()
    }

    /// Waits for updates that spread; gathers of sharded parameters are the planner's.
    private func finishGathers() throws(CommError) {
        guard !options.sharding.strategy.shardsParameters else { return }
        for unit in units { try unit.weights.finishGather() }
    }
}

// MARK: - What the front end tells

extension Engine {
    /// Before a unit's parameters are read in forward. Never throws: what goes wrong is thrown by
    /// the ``computing(_:)`` around.
    public func willForward(_ unit: Int) {
        attempt {
            try execute(gathers.handle(.willForward(unit)))
            guard !options.sharding.strategy.shardsParameters else { return }
            for buffer in buffersOfUnit[unit] { try units[buffer].weights.finishGather() }
        }
        Trace.shared.begin(name(of: unit), .forward)
    }

    /// After it. `isRecorded`: autograd will go back through this run; `isClosed`: and
    /// ``didBackward(_:)`` will tell when it has.
    public func didForward(_ unit: Int, isRecorded: Bool, isClosed: Bool) {
        Trace.shared.end(name(of: unit), .forward)
        if isRecorded {
            for buffer in buffersOfUnit[unit] {
                units[buffer].completion.didRecordRun(isClosed: isClosed)
            }
        }
        attempt { try execute(gathers.handle(.didForward(unit))) }
    }

    /// Before autograd goes back through a run of the unit.
    public func willBackward(_ unit: Int) {
        attempt { try execute(gathers.handle(.willBackward(unit))) }
        Trace.shared.begin(name(of: unit), .backward)
    }

    /// After it: all gradients that the run gives are there.
    public func didBackward(_ unit: Int) {
        Trace.shared.end(name(of: unit), .backward)
        attempt {
            for buffer in buffersOfUnit[unit] where units[buffer].gradient != nil {
                let isComplete = units[buffer].completion.didLeaveRun()
                if isComplete, isCollecting, reducesNow {
                    try startReductions(reductions.gradientsAreComplete(buffer))
                }
            }
            try execute(gathers.handle(.didBackward(unit)))
        }
    }

    private func name(of unit: Int) -> String {
        buffersOfUnit[unit].first.map { units[$0].layout.name } ?? "unit \(unit)"
    }

    private func attempt(_ body: () throws -> Void) {
        guard failure == nil else { return }
        do {
            try body()
        } catch let error as CommError {
            failure = error
        } catch {
            preconditionFailure("only collectives fail here: \(error)")
        }
    }

    private func throwFailure() throws(CommError) {
        if let failure { throw failure }
    }

    // MARK: Gathers

    private func execute(_ actions: [GatherPlanner.Action]) throws(CommError) {
        guard options.sharding.strategy.shardsParameters else { return }
        for action in actions {
            switch action {
            case .startGather(let unit):
                for buffer in buffersOfUnit[unit] { try units[buffer].weights.startGather() }
            case .waitGather(let unit):
                for buffer in buffersOfUnit[unit] { try units[buffer].weights.finishGather() }
            case .free(let unit):
                for buffer in buffersOfUnit[unit] { units[buffer].weights.free() }
            }
        }
    }

    // MARK: Reductions

    private func watch(_ buffer: Int) {
        for (slot, parameter) in units[buffer].weights.parameters.enumerated() {
            parameter.onGradientAccumulated { [unowned self] in
                try gradientIsReady(buffer: buffer, slot: slot)
            }
        }
    }

    /// Runs inside backward. A parameter whose gradient arrives in two parts would come after its
    /// unit's reduction has started: that is refused rather than summed wrongly.
    private func gradientIsReady(buffer: Int, slot: Int) throws {
        let unit = units[buffer]
        let parameter = unit.weights.parameters[slot]
        guard isCollecting, let gradient = unit.gradient, let fresh = parameter.gradient else {
            return
        }
        precondition(
            !reducesNow || !reductions.hasStarted(buffer),
            "a second gradient for \(unit.layout.slots[slot].spec.name) in one backward, after its "
                + "unit was reduced: announce every use of the unit, or do not use a parameter "
                + "both inside and outside of a recomputed block"
        )
        parameter.gradient = nil
        attempt {
            try gradient.collect(fresh, slot: slot)
            guard unit.completion.didCollectGradient(of: slot), reducesNow else { return }
            try startReductions(reductions.gradientsAreComplete(buffer))
        }
    }

    private func startReductions(_ ready: [Int]) throws(CommError) {
        for buffer in ready {
            guard let gradient = units[buffer].gradient else { continue }
            while let oldest = reducing.first,
                bytesUnderReduction + gradient.flatByteCount > options.sharding.reductionBytes
            {
                try finishReduction(oldest)
            }
            try gradient.startReduction()
            reducing.append(buffer)
            if !options.sharding.overlaps { try finishReduction(buffer) }
        }
    }

    private var bytesUnderReduction: Int {
        reducing.reduce(0) { $0 + (units[$1].gradient?.flatByteCount ?? 0) }
    }

    private func finishReduction(_ buffer: Int) throws(CommError) {
        reducing.removeAll { $0 == buffer }
        try units[buffer].gradient?.finishReduction()
    }
}

/// Makes the parts of an engine from its options.
private struct EngineParts {
    let options: EngineOptions
    let groups: RankGroups
    let buffers: GradientBuffers

    init(_ options: EngineOptions, groups: RankGroups, buffers: GradientBuffers) {
        self.options = options
        self.groups = groups
        self.buffers = buffers
    }

    func makeUnit(_ layout: UnitLayout) -> UnitState {
        let strategy = options.sharding.strategy
        let weights = UnitWeights(layout, options: options, group: groups.shard)
        guard layout.isTrainable else { return UnitState(weights, gradient: nil) }
        let gradient = UnitGradient(
            layout, kept: strategy == .none ? .whole : .shard,
            dtypes: .init(
                fresh: layout.kind.dtype ?? options.precision.compute,
                sum: options.precision.reduction, widensOnTheWay: options.device == .cpu),
            groups: groups, buffers: buffers)
        return UnitState(weights, gradient: gradient)
    }
}

extension ModelLayout {
    /// For each parameter its flat buffer and its slot there.
    fileprivate var parameterPlaces: [Int: (buffer: Int, slot: Int)] {
        var places: [Int: (buffer: Int, slot: Int)] = [:]
        for (buffer, unit) in units.enumerated() {
            for (slot, place) in unit.slots.enumerated() {
                places[place.parameter] = (buffer, slot)
            }
        }
        return places
    }

    /// For each trainable parameter the rank that updates it where a rule needs it whole.
    fileprivate func owners(rankCount: Int) -> [Int: Int] {
        let slots = units.filter(\.isTrainable).flatMap(\.slots)
        let owners = parameterOwners(
            elementCounts: slots.map(\.spec.elementCount), rankCount: rankCount)
        return Dictionary(uniqueKeysWithValues: zip(slots.map(\.parameter), owners))
    }
}
