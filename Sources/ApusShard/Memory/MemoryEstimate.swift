/// What a run keeps in memory on each rank at its fullest moment, by kind, before it begins.
///
/// Model states follow the ZeRO paper (Rajbhandari et al., 2020, section 3.1): with psi parameters,
/// bf16 and AdamW, 2 psi for weights, 4 psi for gradients (which are fp32 where they stay), and
/// 12 psi for master weights and moments; each divided by the ranks that share it.
public struct MemoryEstimate: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case runtime, weights, masters, moments, gradients
        /// The rank's share of the state, copied for a save in the background.
        case saving
        /// Flat gradients on their way, of this rank and what it reads of others'.
        case reductions
        /// Parameters that are gathered at once.
        case gathered
        case activations
        /// A chunk of logits, and the gradient of the head.
        case head
        /// What backward needs beside all that.
        case workspace
    }

    public private(set) var bytes: [Kind: Int] = [:]
    /// What data that begins an adapter takes before training does; 0 without.
    public private(set) var beginning = 0

    public var total: Int { bytes.values.reduce(0, +) }
    public var peak: Int { max(total, beginning) }

    /// Bytes of weights, masters, moments and gradients: the model states of the paper.
    public var modelStates: Int {
        [Kind.weights, .masters, .moments, .gradients].reduce(0) { $0 + (bytes[$1] ?? 0) }
    }

    public init(_ model: ModelOutline, _ run: RunOutline) {
        let states = StateSizes(model, run)
        bytes[.runtime] = Self.runtimeBytes(run)
        bytes[.weights] = states.weights
        bytes[.masters] = states.masters
        bytes[.moments] = states.moments
        bytes[.gradients] = states.gradients
        bytes[.saving] = states.saving
        bytes[.reductions] = states.reductions
        bytes[.gathered] = states.gathered
        let passes = PassSizes(model, run)
        bytes[.activations] = passes.activations
        bytes[.head] = passes.head
        bytes[.workspace] = passes.workspace
        switch run.adapter?.beginning {
        case .gradients:
            // At last, one gradient is taken apart.
            let parts = 4 * model.largestMatrix * 4
            beginning = MemoryEstimate(model, run.beforeAdapter).total + parts
        case .covariances:
            let outline = run.beforeAdapter
            let weights = StateSizes(model, outline).weights
            beginning =
                Self.runtimeBytes(run) + weights + passes.workspace
                + model.inputSquares(run.adapter) * 4
        case nil: break
        }
    }

    /// A worker that holds almost nothing: libtorch's pages, its kernels' buffers (more of them for
    /// 16 bits), this program, and the chunks through which it talks to each other rank. Measured.
    static func runtimeBytes(_ run: RunOutline) -> Int {
        let kernels = run.computeBytes < 4 ? 155 : 145
        return (kernels + 4 * (run.shardCount - 1)) << 20
    }
}

/// What of a run its memory depends on.
public struct RunOutline: Sendable, Hashable {
    /// Stages of ZeRO.
    public var stage = 0
    /// Ranks that share one copy.
    public var shardCount = 1
    /// Of the dtype that the model computes with.
    public var computeBytes = 4
    /// Of the optimizer's states for each parameter.
    public var momentBytes = 8
    /// Tokens of a micro-batch, padding included.
    public var tokens = 512
    /// More than one micro-batch in an optimizer step.
    public var accumulates = false
    /// Activations of blocks are computed again in backward.
    public var recomputes = false
    public var prefetchBytes = 64 << 20
    public var keepsGathered = false
    /// Ranks that share the work of saves in the background; 0 where training waits for a save.
    public var backgroundSavers = 0

    /// nil: all weights are trained.
    public var adapter: AdapterOutline?

    public init() {}

    /// The model itself while data is shown to it: nothing is updated, but targets are trained.
    fileprivate var beforeAdapter: RunOutline {
        var run = self
        run.adapter?.beginning = nil
        run.adapter?.trainsTargets = true
        (run.momentBytes, run.backgroundSavers) = (0, 0)
        return run
    }

    /// The stage that matters: alone, a rank has nobody to share with.
    var effectiveStage: Int { shardCount > 1 ? stage : 0 }
}

/// Bytes of model states and of what moves them.
private struct StateSizes {
    let run: RunOutline
    /// Elements of each unit's flat buffers, padded as `UnitLayout` does: of trained weights, and
    /// of those and the frozen ones.
    let units, wholeUnits: [Int]
    let padded: Int
    /// Bytes of weights that are held in few bits, on every rank.
    let quantized: Int

    init(_ model: ModelOutline, _ run: RunOutline) {
        self.run = run
        let granularity = run.shardCount * UnitLayout.cacheLineElements
        func padded(_ count: Int) -> Int { (count + granularity - 1) / granularity * granularity }
        let holdings = model.holdings(run.adapter)
        units = holdings.map { padded($0.trained) }
        wholeUnits = holdings.map { padded($0.trained) + padded($0.frozen) }
        self.padded = units.reduce(0, +)
        let numbers = Double(holdings.reduce(0) { $0 + $1.quantized })
        quantized = Int(numbers * (run.adapter?.quantizedBits ?? 0) / 8)
    }

    private var stage: Int { run.effectiveStage }
    private func shard(_ bytes: Int) -> Int { bytes / run.shardCount }

    var weights: Int {
        let all = wholeUnits.reduce(0, +) * run.computeBytes
        return (stage == 3 ? shard(all) : all) + quantized
    }

    var masters: Int {
        guard run.computeBytes < 4 else { return 0 }
        return stage >= 1 ? shard(padded * 4) : padded * 4
    }

    var moments: Int {
        let all = padded * run.momentBytes
        return stage >= 1 ? shard(all) : all
    }

    var gradients: Int { stage >= 1 ? shard(padded * 4) : padded * 4 }

    /// Weights, as masters or in fp32, and moments: whoever holds them, each is copied once.
    var saving: Int {
        run.backgroundSavers > 0 ? padded * (4 + run.momentBytes) / run.backgroundSavers : 0
    }

    /// Bytes of an element of a gradient that travels.
    private var travelling: Int {
        let addsUp = run.accumulates && stage == 1
        return addsUp ? 4 : run.computeBytes
    }

    var reductions: Int {
        guard stage >= 1 else { return 0 }
        // What is read of other ranks' buffers is resident here too, a unit at a time.
        let others = largest * travelling * (run.shardCount - 1) / run.shardCount
        // A whole window's gradients add up before they travel.
        if stage == 1, run.accumulates { return padded * 4 + others }
        // On their way, and a unit that is being collected.
        let held = RunOutline.reductionBytes + largest * travelling
        return min(padded * travelling, held) + others
    }

    private var largest: Int { units.max() ?? 0 }

    /// The unit in use and those that were gathered ahead.
    var gathered: Int {
        guard stage == 3 else { return 0 }
        let all = wholeUnits.reduce(0, +) * run.computeBytes
        if run.keepsGathered { return all }
        return min(all, (wholeUnits.max() ?? 0) * run.computeBytes + run.prefetchBytes)
    }
}

extension RunOutline {
    /// Gradients whose reduction may be under way at a time.
    static let reductionBytes = 64 << 20
}

/// Bytes that forward and backward need beside the model's states.
private struct PassSizes {
    let model: ModelOutline
    let run: RunOutline

    init(_ model: ModelOutline, _ run: RunOutline) {
        self.model = model
        self.run = run
    }

    private var tokens: Int { run.tokens }

    /// What one block keeps for backward.
    private var block: Int {
        tokens * (model.savedPerToken * run.computeBytes + model.savedFloatsPerToken * 4)
    }

    /// What the adapters of a block keep: the narrow rows in the middle, what dropout left of the
    /// wide ones, with its choice, and results before and after their magnitudes.
    private func adapterRows(unit: Int) -> Int {
        guard let adapter = run.adapter else { return 0 }
        let targets = model.matrices[unit].filter { model.isTarget($0, ofUnit: unit, adapter) }
        return targets.reduce(0) { sum, matrix in
            let wide = adapter.hasDropout ? matrix.inputs * (run.computeBytes + 1) : 0
            let results = adapter.isWeightDecomposed ? 2 * matrix.outputs : 0
            return sum + tokens * ((adapter.rank + results) * run.computeBytes + wide)
        }
    }

    var activations: Int {
        let adapted = model.blocks.indices.map { adapterRows(unit: $0 + 1) }
        guard run.recomputes else {
            return block * model.blocks.count + adapted.reduce(0, +)
        }
        // Only the inputs stay; one block at a time is there in full.
        return tokens * model.width * run.computeBytes * model.blocks.count + block
            + (adapted.max() ?? 0)
    }

    /// Rows whose logits exist at a time (`languageModelLoss`).
    private var chunkRows: Int { min(tokens, max(128, (1 << 23) / max(model.vocabulary, 1))) }

    var head: Int {
        let logits = chunkRows * model.vocabulary * run.computeBytes
        let table = model.vocabulary * model.width
        let trained = model.holdings(run.adapter).last?.trained ?? 0
        let isTrained = run.adapter == nil || trained >= table
        let gradient = isTrained ? table * run.computeBytes : 0
        return logits + gradient + 2 * tokens * model.width * run.computeBytes
    }

    /// A block's gradients with respect to its inner rows, and of its largest matrix; where that is
    /// frozen, what is made of it while it is used.
    var workspace: Int {
        let rows = 3 * tokens * model.innerWidth
        let usesMatrix =
            run.adapter.map {
                $0.quantizedBits != nil || $0.isWeightDecomposed || $0.trainsTargets
            } ?? true
        return (rows + (usesMatrix ? model.largestMatrix : 0)) * run.computeBytes
    }
}
