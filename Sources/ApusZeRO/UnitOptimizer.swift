internal import ApusBase
internal import ApusOptim
internal import ApusShard
internal import ApusTensor

/// The optimizer's states for the elements of one flat buffer that this rank updates, and the
/// update of those elements in one pass.
final class UnitOptimizer {
    /// The states of elements that are updated alike.
    private struct Run {
        let elements: UnitLayout.UpdateRun
        /// By the rule's states, `[range.count]` each.
        let states: [Tensor]
    }

    private let weights: UnitWeights
    private let rule: any UpdateRule
    private let runs: [Run]

    /// Allocates the states, which start as zeros.
    init(_ weights: UnitWeights, rule: any UpdateRule, moment: DType) {
        self.weights = weights
        self.rule = rule
        runs = weights.layout.updateRuns(in: weights.ownRange).map { run in
            let states = rule.states(forShape: [run.range.count]).map {
                Tensor.zeros([$0.count], dtype: moment, device: weights.own.device)
            }
            return Run(elements: run, states: states)
        }
    }

    /// One pass: gradient scale, update, and rounding to what the model computes with.
    func update(gradient: Tensor, _ hyperParameters: HyperParameters, weightDecay: Double) {
        for run in runs {
            var hyper = hyperParameters
            hyper.weightDecay = run.elements.decays ? weightDecay : 0
            hyper.learningRate *= run.elements.rateFactor
            let range = run.elements.range
            let tile = Tile(
                rule: rule, weights: weights.finest.part(range), gradient: gradient.part(range),
                rounded: weights.masters == nil ? nil : weights.own.part(range),
                states: run.states)
            tile.update(hyper)
        }
    }

    /// The parts of the states that belong to the given parts of parameters.
    func states(of piece: UnitLayout.Piece) -> [(name: String, memory: Tensor)] {
        guard let run = runs.first(where: { $0.elements.range.contains(piece.offset) }) else {
            return []
        }
        let start = piece.offset - run.elements.range.lowerBound
        let names = rule.states(forShape: [run.elements.range.count]).map(\.name)
        return zip(names, run.states).map { name, state in
            (name, state.part(start..<start + piece.elements.count))
        }
    }

    var stateNames: [String] { rule.states(forShape: [1]).map(\.name) }

    var byteCount: Int {
        runs.reduce(0) { sum, run in
            run.states.reduce(sum) { $0 + $1.byteCount }
        }
    }
}

/// Elements that a rule updates together, some of which may be kept in less than fp32.
private struct Tile {
    let rule: any UpdateRule
    let weights: Tensor
    let gradient: Tensor
    let rounded: Tensor?
    let states: [Tensor]

    /// Elements that are widened to fp32 at a time: small enough for the cache.
    private static let width = 16_384

    func update(_ hyper: HyperParameters) {
        guard weights.isOnHost else {
            updateOnDevice(hyper)
            return
        }
        guard weights.dtype != .float32 || states.contains(where: { $0.dtype != .float32 }) else {
            let slice = UpdateSlice(
                weights: weights.flatMemory, gradient: gradient.flatMemory,
                states: states.map(\.flatMemory.pointer), roundedWeights: rounded?.flatMemory)
            rule.update(slice, hyper)
            return
        }
        for start in stride(from: 0, to: weights.elementCount, by: Self.width) {
            updateWidened(start..<min(start + Self.width, weights.elementCount), hyper)
        }
    }

    /// AdamW has a form in tensor operations; other rules see host memory only.
    private func updateOnDevice(_ hyper: HyperParameters) {
        guard let rule = rule as? AdamW else {
            let host = Tile(
                rule: rule, weights: weights.onHost, gradient: gradient.onHost,
                rounded: rounded?.onHost, states: states.map(\.onHost))
            host.update(hyper)
            weights.assign(host.weights)
            if let rounded, let made = host.rounded { rounded.assign(made) }
            for (state, made) in zip(states, host.states) { state.assign(made) }
            return
        }
        withoutGradient {
            rule.updateTensors(
                weights: weights, gradient: gradient, first: states[0], second: states[1], hyper)
            rounded?.copyInPlace(from: weights)
        }
    }

    /// Rules compute in fp32: what is kept in less is widened, updated and rounded back.
    private func updateWidened(_ range: Range<Int>, _ hyper: HyperParameters) {
        let wideWeights = Widened(weights.part(range))
        let wideStates = states.map { Widened($0.part(range)) }
        let slice = UpdateSlice(
            weights: wideWeights.wide.flatMemory, gradient: gradient.part(range).flatMemory,
            states: wideStates.map(\.wide.flatMemory.pointer),
            roundedWeights: rounded?.part(range).flatMemory)
        rule.update(slice, hyper)
        wideWeights.writeBack()
        for state in wideStates { state.writeBack() }
    }
}

/// An fp32 copy of elements that are kept in less; the elements themselves if they are fp32.
private struct Widened {
    private let kept: Tensor
    let wide: Tensor

    init(_ kept: Tensor) {
        self.kept = kept
        guard kept.dtype != .float32 else {
            wide = kept
            return
        }
        wide = .empty([kept.elementCount])
        wide.assign(kept)
    }

    func writeBack() {
        if kept.dtype != .float32 { kept.assign(wide) }
    }
}

extension FloatMemory {
    fileprivate var pointer: UnsafeMutablePointer<Float> {
        start.assumingMemoryBound(to: Float.self)
    }
}

extension Tensor {
    /// The same elements in host memory.
    fileprivate var onHost: Tensor { to(device: .cpu) }
}
