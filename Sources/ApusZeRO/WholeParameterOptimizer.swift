internal import ApusBase
internal import ApusComm
internal import ApusOptim
internal import ApusShard
internal import ApusTensor

/// Updates by rules that look at parameters as a whole (Adafactor, Muon).
///
/// Where weights are sharded, a parameter may be cut anywhere. So each parameter has one rank that
/// updates it: gradient and weights are gathered, every rank updates its own parameters and keeps
/// their states, and a reduce-scatter in which all others contribute zeros brings each rank its
/// elements back.
final class WholeParameterOptimizer {
    private struct Owned {
        let slot: Int
        let states: [Tensor]
    }

    private let weights: UnitWeights
    private let rule: any UpdateRule
    private let group: any ProcessGroup
    private let owned: [Owned]

    /// - owners: for each slot the rank of `group` that updates it
    init(
        _ weights: UnitWeights, rule: any UpdateRule, owners: [Int], group: any ProcessGroup
    ) {
        self.weights = weights
        self.rule = rule
        self.group = group
        let slots = weights.layout.slots
        owned = slots.indices.filter { !weights.isShared || owners[$0] == group.rank }.map { slot in
            let states = rule.states(forShape: rule.shape(of: slots[slot].spec))
            return Owned(slot: slot, states: states.map { .zeros([$0.count]) })
        }
    }

    /// - gradient: of this rank's elements
    func update(
        gradient: Tensor, _ hyperParameters: HyperParameters, weightDecay: Double
    ) throws(CommError) {
        guard weights.isShared else {
            updateOwned(weights.finest, gradient: gradient, hyperParameters, weightDecay)
            weights.roundMasters()
            return
        }
        let layout = weights.layout
        let wholeGradient = try gathered(gradient, "gradient")
        let whole = try gathered(weights.finest, "weights")
        updateOwned(whole, gradient: wholeGradient, hyperParameters, weightDecay)
        let mine = Set(owned.map(\.slot))
        for slot in layout.slots.indices where !mine.contains(slot) {
            whole.part(layout.slots[slot].range).clear()
        }
        whole.part(layout.usedCount..<layout.elementCount).clear()
        try group.reduceScatter(whole, into: weights.finest, label: "\(layout.name) updated")
        weights.roundMasters()
    }

    private func gathered(_ part: Tensor, _ what: String) throws(CommError) -> Tensor {
        let whole = Tensor.empty(
            [weights.layout.elementCount], dtype: part.dtype, device: part.device)
        try group.allGather(part, into: whole, label: "\(weights.layout.name) \(what)")
        return whole
    }

    private func updateOwned(
        _ whole: Tensor, gradient: Tensor, _ hyperParameters: HyperParameters, _ weightDecay: Double
    ) {
        for owned in owned {
            let place = weights.layout.slots[owned.slot]
            var hyper = hyperParameters
            hyper.weightDecay = place.spec.decays ? weightDecay : 0
            hyper.learningRate *= place.spec.rateFactor
            let kept = whole.part(place.range)
            // Rules see fp32 in host memory.
            let isSeen = kept.dtype == .float32 && kept.isOnHost
            let wide = isSeen ? kept : kept.to(.float32).to(device: .cpu)
            let gradient = gradient.part(place.range).to(device: .cpu)
            let slice = UpdateSlice(
                weights: wide.flatMemory, gradient: gradient.flatMemory,
                states: owned.states.map { $0.flatMemory.floats.baseAddress! },
                shape: rule.shape(of: place.spec))
            rule.update(slice, hyper)
            if !isSeen { kept.assign(wide) }
        }
    }

    /// A whole state of a parameter, on all ranks of the group; nil when the rule keeps none of
    /// that name.
    func state(_ name: String, ofSlot slot: Int) throws(CommError) -> Tensor? {
        let spec = weights.layout.slots[slot].spec
        let kinds = rule.states(forShape: rule.shape(of: spec))
        guard let index = kinds.firstIndex(where: { $0.name == name }) else { return nil }
        let own = owned.first { $0.slot == slot }?.states[index]
        guard weights.isShared else { return own?.reshape(kinds[index].shape) }
        let device = weights.own.device
        let whole =
            own?.clone().to(device: device) ?? .zeros([kinds[index].count], device: device)
        try group.allReduce(whole, label: spec.name)
        return whole.reshape(kinds[index].shape)
    }

    /// The states of the parameters that this rank updates.
    var states: [(slot: Int, states: [(state: OptimizerState, memory: Tensor)])] {
        owned.map { owned in
            let kinds = rule.states(forShape: rule.shape(of: weights.layout.slots[owned.slot].spec))
            return (owned.slot, Array(zip(kinds, owned.states).map { ($0, $1) }))
        }
    }

    var byteCount: Int {
        owned.reduce(0) { sum, owned in owned.states.reduce(sum) { $0 + $1.byteCount } }
    }
}

extension UpdateRule {
    /// A parameter's shape as the rule shall see it.
    fileprivate func shape(of spec: ParameterSpec) -> [Int] {
        spec.isTable && updatesTablesAsVectors ? [spec.elementCount] : spec.shape
    }
}
