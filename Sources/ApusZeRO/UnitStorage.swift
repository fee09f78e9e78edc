internal import ApusBase
internal import ApusComm
internal import ApusOptim
internal import ApusShard
internal import ApusTensor

/// The memory of one unit: flat weights of which the parameters are views, flat gradient, masters
/// and optimizer states; and the reduction of the gradient that is under way.
final class UnitStorage {
    let layout: UnitLayout
    /// `[elementCount]` in the compute dtype; the parameters are views of it.
    let weights: Tensor
    /// fp32 `[elementCount]`; the same memory as `weights` when those are fp32.
    let masters: Tensor?
    /// One leaf for each slot.
    let parameters: [Tensor]
    private let gradient: GradientBuffer?
    private var states: [SlotStates] = []
    private var remaining = 0

    init(_ layout: UnitLayout, precision: PrecisionPolicy, group: any ProcessGroup) {
        self.layout = layout
        let weights = Tensor.zeros([layout.elementCount], dtype: precision.compute)
        self.weights = weights
        masters = precision.hasMasters && layout.isTrainable ? .zeros([layout.elementCount]) : nil
        parameters = layout.slots.map { slot in
            weights.storageView(offset: slot.range.lowerBound, shape: slot.spec.shape)
                .requiringGradient(layout.isTrainable)
        }
        gradient = layout.isTrainable ? GradientBuffer(layout, group: group) : nil
    }

    // MARK: Values

    /// Lets `fill` write a slot's initial values as fp32.
    func load(
        _ slot: Int, _ fill: (UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        let range = layout.slots[slot].range
        if let masters {
            let target = floatMemory(masters)[range]
            try fill(target.floats)
            floatMemory(weights)[range].copy(from: target)
        } else if weights.dtype == .float32 {
            try fill(floatMemory(weights)[range].floats)
        } else {
            // Frozen weights in low precision: no masters to fill.
            let staging = UnsafeMutableBufferPointer<Float>.allocate(capacity: range.count)
            defer { staging.deallocate() }
            try fill(staging)
            let source = FloatMemory(staging.baseAddress!, count: range.count)
            floatMemory(weights)[range].copy(from: source)
        }
    }

    // MARK: Gradients

    /// Before the first micro-batch of a window.
    func beginWindow() { gradient?.beginWindow() }

    /// Before each micro-batch.
    func beginMicroBatch() { remaining = layout.slots.count }

    /// Moves a slot's fresh gradient into the flat buffer; true when it was the unit's last missing
    /// one.
    func collectGradient(of slot: Int) -> Bool {
        guard let gradient, let fresh = parameters[slot].gradient else { return false }
        gradient.add(fresh.contiguous(), to: slot, layout.slots[slot].range)
        parameters[slot].gradient = nil
        remaining -= 1
        return remaining == 0
    }

    func startReduction(_ group: any ProcessGroup) throws(CommError) {
        try gradient?.startReduction(group, label: layout.name)
    }

    func finishReduction() throws(CommError) { try gradient?.finishReduction() }

    /// The sum of squares of the reduced gradient; padding is zero and adds nothing.
    func sumOfSquares() -> Double { gradient?.memory.sumOfSquares() ?? 0 }

    // MARK: The update

    /// One pass over the unit: gradient scale, update, and rounding to the compute dtype.
    func update(_ rule: any UpdateRule, _ hyperParameters: HyperParameters, weightDecay: Double) {
        guard let gradient else { return }
        if states.isEmpty { states = makeStates(rule) }
        for state in states {
            var hyper = hyperParameters
            hyper.weightDecay = state.decays ? weightDecay : 0
            let slice = UpdateSlice(
                weights: floatMemory(masters ?? weights)[state.range],
                gradient: gradient.memory[state.range],
                states: state.buffers.map { $0.hostFloats },
                roundedWeights: masters == nil ? nil : floatMemory(weights)[state.range],
                shape: state.shape)
            rule.update(slice, hyper)
        }
    }

    private func makeStates(_ rule: any UpdateRule) -> [SlotStates] {
        switch rule.granularity {
        case .elements:
            layout.decayRuns.map { run in
                SlotStates(rule, range: run.range, shape: [run.range.count], decays: run.decays)
            }
        case .wholeParameters:
            layout.slots.map { slot in
                SlotStates(
                    rule, range: slot.range, shape: slot.spec.shape, decays: slot.spec.decays)
            }
        }
    }
}

/// The optimizer's buffers for a run of elements.
private struct SlotStates {
    let range: Range<Int>
    let shape: [Int]
    let decays: Bool
    let buffers: [Tensor]

    init(_ rule: any UpdateRule, range: Range<Int>, shape: [Int], decays: Bool) {
        self.range = range
        self.shape = shape
        self.decays = decays
        buffers = rule.states(forShape: shape).map { Tensor.zeros([$0.count]) }
    }
}

/// A unit's flat fp32 gradient and its reduction.
private final class GradientBuffer {
    private let buffer: CommBuffer
    let memory: FloatMemory
    private var hasGradient: [Bool]
    private let ranges: [Range<Int>]
    private var work: Work?

    init(_ layout: UnitLayout, group: any ProcessGroup) {
        let count = layout.elementCount
        // Memory that the ranks of a host share is reduced in place.
        buffer =
            group.allocateShared(elementCount: count, dtype: .float32)
            ?? privateBuffer(elementCount: count)
        guard let address = buffer.address else { preconditionFailure("an empty unit") }
        memory = FloatMemory(address, .float32, count: count)
        ranges = layout.slots.map(\.range)
        hasGradient = Array(repeating: false, count: ranges.count)
        let used = ranges.last?.upperBound ?? 0
        memory[used..<count].clear()
    }

    func beginWindow() {
        for slot in hasGradient.indices { hasGradient[slot] = false }
    }

    /// The first gradient of a window is copied, later ones are added: nothing needs to be zeroed.
    func add(_ fresh: Tensor, to slot: Int, _ range: Range<Int>) {
        let source = floatMemory(fresh)
        if hasGradient[slot] {
            memory[range].accumulate(source)
        } else {
            memory[range].copy(from: source)
            hasGradient[slot] = true
        }
    }

    func startReduction(_ group: any ProcessGroup, label: String) throws(CommError) {
        for (slot, range) in ranges.enumerated() where !hasGradient[slot] { memory[range].clear() }
        guard group.worldSize > 1 else { return }
        work = try group.startAllReduce(buffer, label: label)
    }

    func finishReduction() throws(CommError) {
        guard let work = work.take() else { return }
        try work.wait()
    }
}

/// fp32 memory of this process alone.
private func privateBuffer(elementCount: Int) -> CommBuffer {
    final class Owner {
        let tensor: Tensor
        init(_ tensor: Tensor) { self.tensor = tensor }
    }
    let owner = Owner(.empty([elementCount]))
    return CommBuffer(
        floatMemory(owner.tensor).start, elementCount: elementCount, dtype: .float32, owner: owner)
}

/// The elements of a contiguous host tensor.
func floatMemory(_ tensor: Tensor) -> FloatMemory {
    guard let memory = tensor.hostMemory, let start = memory.baseAddress else {
        preconditionFailure("the engine's buffers are contiguous host tensors, not \(tensor)")
    }
    return FloatMemory(start, tensor.dtype, count: tensor.elementCount)
}

extension FloatMemory {
    var floats: UnsafeMutableBufferPointer<Float> {
        precondition(dtype == .float32, "floats: the memory is \(dtype)")
        return UnsafeMutableBufferPointer(
            start: start.assumingMemoryBound(to: Float.self), count: count)
    }

    func clear() {
        start.initializeMemory(as: UInt8.self, repeating: 0, count: count * dtype.byteCount)
    }
}

extension Tensor {
    fileprivate var hostFloats: UnsafeMutablePointer<Float> {
        floatMemory(self).start.assumingMemoryBound(to: Float.self)
    }
}
