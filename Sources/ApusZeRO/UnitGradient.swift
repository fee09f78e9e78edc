internal import ApusBase
internal import ApusComm
internal import ApusOptim
internal import ApusShard
internal import ApusTensor

/// The gradient of one trainable flat buffer: collected from autograd into a flat buffer, reduced
/// over the ranks, and kept at the shard until the step.
final class UnitGradient {
    /// What a window's gradient becomes on this rank.
    enum Kept {
        /// The whole reduced gradient on every rank.
        case whole
        /// This rank's part of it.
        case shard
    }

    /// What gradients travel in.
    struct Dtypes {
        /// As autograd gives them.
        let fresh: DType
        /// Where several add up before they travel.
        let sum: DType
        /// Whether the group adds up narrow gradients in fp32.
        let widensOnTheWay: Bool

        /// Gradients that travel as they are need no more bytes than they have.
        func travelling(addingUp: Bool) -> DType {
            let isNarrow = fresh.byteCount <= sum.byteCount && widensOnTheWay
            return addingUp || !isNarrow ? sum : fresh
        }
    }

    let layout: UnitLayout
    private let kept: Kept
    private let groups: RankGroups
    private let buffers: GradientBuffers
    private let dtypes: Dtypes
    /// Holds gradients of this rank's micro-batches that are not reduced yet.
    private var flat: Tensor?
    private var hasGradient: [Bool]
    /// fp32 `[shard]`, for `.shard`: the sum over ranks and micro-batches so far.
    private var shard: Tensor?
    private var shardIsFilled = false
    private var reducing: Work?
    /// Receives a reduction that is then added to `shard`.
    private var received: Tensor?
    private var replicating: Work?
    /// Whether a micro-batch's gradients stay here until others have joined them.
    private var addsUp = true

    init(
        _ layout: UnitLayout, kept: Kept, dtypes: Dtypes, groups: RankGroups,
        buffers: GradientBuffers
    ) {
        self.layout = layout
        self.kept = kept
        self.dtypes = dtypes
        self.groups = groups
        self.buffers = buffers
        hasGradient = Array(repeating: false, count: layout.slots.count)
    }

    /// The dtype of the flat buffer.
    private var dtype: DType {
        flat?.dtype ?? dtypes.travelling(addingUp: addsUp || kept == .whole)
    }

    /// Bytes of the flat buffer while it is held.
    var flatByteCount: Int { layout.elementCount * dtype.byteCount }

    // MARK: Collecting

    /// Before the first micro-batch of a window.
    func beginWindow() {
        shardIsFilled = false
        forgetCollected()
    }

    /// Before backward. `addsUp`: the micro-batch's gradients are not all there is to reduce.
    func beginMicroBatch(addsUp: Bool) { self.addsUp = addsUp }

    /// Moves a slot's fresh gradient into the flat buffer: nothing needs to be zeroed, and at most
    /// a few parameters' own gradients exist at a time.
    func collect(_ fresh: Tensor, slot: Int) throws(CommError) {
        try finishReduction()
        let flat = self.flat ?? buffers.take(layout.elementCount, dtype)
        self.flat = flat
        let place = flat.part(layout.slots[slot].range)
        let source = fresh.contiguous().reshape(-1)
        if hasGradient[slot] { place.add(source) } else { place.assign(source) }
        hasGradient[slot] = true
    }

    private func forgetCollected() {
        for slot in hasGradient.indices { hasGradient[slot] = false }
    }

    /// The whole flat buffer, with zeros where no gradient came.
    private func completeFlat() -> Tensor {
        let flat = self.flat ?? buffers.take(layout.elementCount, dtype)
        self.flat = flat
        for (slot, place) in layout.slots.enumerated() where !hasGradient[slot] {
            flat.part(place.range).clear()
        }
        flat.part(layout.usedCount..<layout.elementCount).clear()
        return flat.part(0..<layout.elementCount)
    }

    // MARK: Reducing

    /// Starts to add up what was collected over the ranks.
    func startReduction() throws(CommError) {
        try finishReduction()
        let flat = completeFlat()
        switch kept {
        case .whole:
            guard groups.data.worldSize > 1 else { return }
            reducing = try groups.data.startAllReduce(flat, label: layout.name)
        case .shard:
            let count = layout.elementCount / layout.shardCount
            let target = received(count, like: flat) ?? ownShard(count)
            reducing = try groups.shard.startReduceScatter(flat, into: target, label: layout.name)
        }
    }

    /// Memory for a reduction that cannot arrive at the shard itself; nil where it can.
    private func received(_ count: Int, like flat: Tensor) -> Tensor? {
        let isWidened = flat.dtype == .float32 || dtypes.widensOnTheWay
        if shardIsFilled || !isWidened {
            received = .empty(
                [count], dtype: isWidened ? .float32 : flat.dtype, device: flat.device)
        }
        return received
    }

    /// Returns when the reduction that was started has arrived at the shard.
    func finishReduction() throws(CommError) {
        guard let work = reducing.take() else { return }
        try work.wait()
        guard case .shard = kept else { return }
        if let flat = flat.take() { buffers.giveBack(flat) }
        forgetCollected()
        if let received = received.take() {
            let shard = ownShard(received.elementCount)
            if shardIsFilled { shard.add(received) } else { shard.assign(received) }
        }
        shardIsFilled = true
    }

    /// After the window's last reduction: adds up the shards of all copies of the model.
    func startReplication() throws(CommError) {
        guard case .shard = kept, groups.replica.worldSize > 1, let shard else { return }
        replicating = try groups.replica.startAllReduce(shard, label: layout.name)
    }

    func finishReplication() throws(CommError) {
        guard let work = replicating.take() else { return }
        try work.wait()
    }

    private func ownShard(_ count: Int) -> Tensor {
        let shard = self.shard ?? .empty([count], device: flat?.device ?? .cpu)
        self.shard = shard
        return shard
    }

    // MARK: The reduced gradient

    /// What belongs to the elements that this rank updates.
    var reduced: Tensor {
        let result = kept == .whole ? flat?.part(0..<layout.elementCount) : shard
        guard let result else { preconditionFailure("\(layout.name) has no reduced gradient yet") }
        return result
    }

    /// Bytes of the reduced gradient.
    var keptByteCount: Int {
        kept == .whole ? (flat == nil ? 0 : flatByteCount) : (shard?.byteCount ?? 0)
    }

    var hasReduced: Bool { kept == .whole ? flat != nil : shard != nil }

    /// The elements of the flat buffer that ``reduced`` holds.
    var reducedRange: Range<Int> {
        kept == .whole ? 0..<layout.elementCount : layout.shard(groups.shard.rank)
    }

    /// This rank's part of the reduced gradient, which no other rank of its group has: over these,
    /// all strategies add up the same numbers in the same order.
    var shardPart: Tensor {
        kept == .whole ? reduced.part(layout.shard(groups.shard.rank)) : reduced
    }
}
