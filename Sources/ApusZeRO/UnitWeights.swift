internal import ApusBase
internal import ApusComm
internal import ApusOptim
internal import ApusShard
internal import ApusTensor

/// The weights of one flat buffer of a unit: what the model computes with, and what this rank
/// updates.
///
/// The parameters are views of `flat`. Where parameters are sharded, `flat` has memory only while
/// it is gathered, and this rank's elements live in `own`; otherwise `own` is a part of `flat`.
final class UnitWeights {
    let layout: UnitLayout
    /// One leaf for each slot, in the dtype that the model computes with.
    let parameters: [Tensor]
    /// The elements of the flat buffer that this rank updates, and loads from files.
    let ownRange: Range<Int>
    /// Those elements, in the compute dtype.
    let own: Tensor
    /// Those elements as the optimizer sees them, where that is not `own` itself.
    let masters: Tensor?

    private let flat: Tensor
    private let strategy: ShardingStrategy
    private let group: any ProcessGroup
    private var gathering: Work?

    init(
        _ layout: UnitLayout, options: EngineOptions, group: any ProcessGroup
    ) {
        let (precision, strategy) = (options.precision, options.sharding.strategy)
        let device = options.device
        self.layout = layout
        self.strategy = strategy
        self.group = group
        let dtype = layout.kind.dtype ?? precision.compute
        let shard = layout.shard(strategy == .none ? 0 : group.rank)
        // Frozen weights are loaded by everybody unless they are sharded.
        let isShared = strategy.shardsParameters || (strategy != .none && layout.isTrainable)
        ownRange = isShared ? shard : 0..<layout.elementCount
        if strategy.shardsParameters {
            flat = .empty([layout.elementCount], dtype: dtype, device: device)
            own = group.sharedTensor(ownRange.count, dtype, device)
            own.clear()
        } else {
            flat = .zeros([layout.elementCount], dtype: dtype, device: device)
            own = flat.part(ownRange)
        }
        let hasMasters = layout.isTrainable && dtype != .float32 && precision.master == .float32
        masters = hasMasters ? .zeros([ownRange.count], device: device) : nil
        let (flat, isTrainable) = (flat, layout.isTrainable)
        parameters = layout.slots.map { slot in
            flat.storageView(offset: slot.range.lowerBound, shape: slot.spec.shape)
                .requiringGradient(isTrainable)
        }
        if strategy.shardsParameters { flat.resizeStorage(byteCount: 0) }
    }

    /// Whether other ranks update parts of this buffer.
    var isShared: Bool { ownRange.count < layout.elementCount }

    /// Bytes of the whole buffer.
    var byteCount: Int { layout.elementCount * flat.dtype.byteCount }

    /// Bytes that are there even while nothing is gathered.
    var keptByteCount: Int { strategy.shardsParameters && isShared ? own.byteCount : byteCount }

    /// The elements of this rank in the greatest precision there is.
    var finest: Tensor { masters ?? own }

    // MARK: Values

    /// Lets `fill` write the fp32 values of this rank's elements, parameter by parameter. They are
    /// all there after the next `settle`; ``roundMasters()`` is still to be called then.
    func load(
        _ fill: (ParameterSpec, Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void,
        settle: () -> Void
    ) throws {
        for piece in layout.pieces(in: ownRange) {
            let spec = layout.slots[piece.slot].spec
            let target = finest.part(piece.range)
            if target.isOnHost, target.dtype == .float32 {
                try fill(spec, piece.elements, target.flatMemory.floats)
            } else {
                let staging = Tensor.empty([piece.elements.count])
                do {
                    // Others may still write when filling has failed.
                    defer { settle() }
                    try fill(spec, piece.elements, staging.flatMemory.floats)
                }
                target.assign(staging)
            }
        }
    }

    /// Rounds the masters to what the model computes with.
    func roundMasters() {
        if let masters { own.assign(masters) }
    }

    // MARK: Gathering

    /// Brings the parts of all ranks together in the flat buffer; other than for sharded
    /// parameters it has memory always, and this is how updates spread.
    func startGather() throws(CommError) {
        guard isShared else { return }
        try finishGather()
        if strategy.shardsParameters { flat.resizeStorage(byteCount: byteCount) }
        gathering = try group.startAllGather(own, into: flat, label: layout.name)
    }

    /// Returns when the parameters can be read.
    func finishGather() throws(CommError) {
        guard let work = gathering.take() else { return }
        try work.wait()
    }

    /// Gives the memory of gathered parameters back.
    func free() {
        if strategy.shardsParameters, isShared { flat.resizeStorage(byteCount: 0) }
    }
}
