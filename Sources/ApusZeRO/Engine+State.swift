internal import ApusBase
internal import ApusComm
internal import ApusOptim
internal import ApusShard
public import ApusTensor

/// A piece of a model's state that this rank holds, for checkpoints.
public struct StateSlice {
    public enum Kind: Sendable, Hashable {
        /// The weights in the greatest precision there is: masters, or the parameters themselves.
        case weight
        /// A state that the update rule keeps under this name.
        case optimizerState(String)
    }

    /// The parameter's name.
    public let parameter: String
    public let kind: Kind
    /// Of the whole weight or state.
    public let shape: [Int]
    /// Which of its elements, in row-major order.
    public let elements: Range<Int>
    /// Those elements, `[elements.count]`: the engine's own memory.
    public let memory: Tensor
    /// On how many ranks this very slice lies, and which of them this rank is.
    public let copies: (count: Int, index: Int)
}

extension Engine {
    /// This rank's pieces of weights and optimizer states. The memory is the engine's: valid until
    /// the next step, and written only by ``restore(updateCount:lossScaler:_:)``.
    public func stateSlices() -> [StateSlice] {
        units.flatMap { weightSlices($0) + optimizerSlices($0) }
    }

    /// Lets `fill` overwrite the memory of all slices, and continues from there.
    public func restore(
        updateCount: Int, lossScaler: LossScaler? = nil, _ fill: ([StateSlice]) throws -> Void
    ) throws {
        try weightsWillChange()
        try fill(stateSlices())
        self.updateCount = updateCount
        if let lossScaler { self.lossScaler = lossScaler }
        for unit in units { unit.weights.roundMasters() }
        try weightsDidChange()
    }

    /// Bytes of model states that this rank holds now.
    public var stateBytes: StateBytes {
        var bytes = StateBytes()
        for unit in units {
            bytes.parameters += unit.weights.keptByteCount
            bytes.masters += unit.weights.masters.map(\.byteCount) ?? 0
            bytes.gradients += unit.gradient?.keptByteCount ?? 0
            bytes.moments += unit.optimizer?.byteCount ?? 0
        }
        // Without sharding the buffers themselves keep the gradients.
        bytes.gradientBuffers =
            gradientBuffers.byteCount - (options.sharding.strategy == .none ? bytes.gradients : 0)
        return bytes
    }

    /// Bytes that this rank's collectives have moved so far, as the ZeRO paper counts (section 7):
    /// a gather or a reduce-scatter of n bytes moves n, an all-reduce 2 n.
    public var movedBytes: Int {
        groups.all.reduce(0) { $0 + $1.ledger.volumeBytes }
    }

    private func weightSlices(_ unit: UnitState) -> [StateSlice] {
        let weights = unit.weights
        return weights.layout.pieces(in: weights.ownRange).map { piece in
            let spec = weights.layout.slots[piece.slot].spec
            return StateSlice(
                parameter: spec.name, kind: .weight, shape: spec.shape, elements: piece.elements,
                memory: weights.finest.part(piece.range), copies: copies(weights))
        }
    }

    private func optimizerSlices(_ unit: UnitState) -> [StateSlice] {
        guard unit.gradient != nil else { return [] }
        let weights = unit.weights
        switch prepareOptimizer(of: unit) {
        case .elements(let optimizer):
            return weights.layout.pieces(in: weights.ownRange).flatMap { piece in
                let spec = weights.layout.slots[piece.slot].spec
                return optimizer.states(of: piece).map { state in
                    StateSlice(
                        parameter: spec.name, kind: .optimizerState(state.name), shape: spec.shape,
                        elements: piece.elements, memory: state.memory, copies: copies(weights))
                }
            }
        case .wholeParameters(let optimizer):
            return optimizer.states.flatMap { slot, states in
                states.map { state, memory in
                    StateSlice(
                        parameter: weights.layout.slots[slot].spec.name,
                        kind: .optimizerState(state.name), shape: state.shape,
                        elements: 0..<state.count, memory: memory, copies: copies(weights))
                }
            }
        }
    }

    private func copies(_ weights: UnitWeights) -> (count: Int, index: Int) {
        weights.isShared
            ? (groups.replica.worldSize, groups.replica.rank) : (group.worldSize, group.rank)
    }
}

/// Bytes of a model's states on one rank, by kind.
public struct StateBytes: Sendable, Hashable {
    /// Weights that are always there; gathered ones come and go.
    public var parameters = 0
    public var masters = 0
    /// Reduced gradients that wait for the step.
    public var gradients = 0
    public var moments = 0
    /// Flat buffers for gradients on their way.
    public var gradientBuffers = 0

    public init() {}

    public var total: Int { parameters + masters + gradients + moments + gradientBuffers }
}

extension Tensor {
    var byteCount: Int { elementCount * dtype.byteCount }
}
