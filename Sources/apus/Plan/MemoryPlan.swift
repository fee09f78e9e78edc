import ApusBase
import ApusConfig
import ApusShard

/// What a recipe needs at each stage of sharding, and whether this machine has it.
struct MemoryPlan {
    struct Stage {
        let sharding: Sharding
        let estimate: MemoryEstimate
    }

    let resolved: ResolvedRecipe
    let model: ModelOutline
    let stages: [Stage]
    /// What the ranks of this machine may use together; nil where it cannot be told.
    let availableBytes: Int?

    init(_ resolved: ResolvedRecipe, _ model: ModelOutline, availableBytes: Int?) {
        self.resolved = resolved
        self.model = model
        self.availableBytes = availableBytes
        stages = Sharding.allCases.map { sharding in
            var recipe = resolved.recipe
            recipe.sharding.stage = sharding
            return Stage(
                sharding: sharding, estimate: MemoryEstimate(model, recipe.outline))
        }
    }

    var ranks: Int { resolved.recipe.launch.ranks }

    var chosen: Stage { stages.first { $0.sharding == resolved.recipe.sharding.stage }! }

    func fits(_ estimate: MemoryEstimate) -> Bool {
        availableBytes.map { estimate.peak * ranks <= $0 } ?? true
    }

    /// What to change, where the recipe does not fit; nil where it does.
    var advice: String? {
        guard !fits(chosen.estimate) else { return nil }
        if let stage = stages.first(where: { fits($0.estimate) }) {
            return "does not fit: use 'sharding: \(stage.sharding.rawValue)'"
        }
        var recipe = resolved.recipe
        recipe.sharding.stage = .parameters
        recipe.model.gradientCheckpointing = true
        if fits(MemoryEstimate(model, recipe.outline)) {
            return "does not fit: use 'sharding: parameters' and 'gradient_checkpointing: true'"
        }
        recipe.batch.microBatchSize = 1
        if fits(MemoryEstimate(model, recipe.outline)) {
            return "does not fit: use 'sharding: parameters', 'gradient_checkpointing: true' and a "
                + "smaller micro_batch_size"
        }
        return "does not fit, whatever is shared out on this machine: use a smaller model, or "
            + "shorter sequences"
    }
}

extension Recipe {
    /// What memory depends on.
    fileprivate var outline: RunOutline {
        var run = RunOutline()
        run.stage = sharding.stage.stageNumber
        run.shardCount = sharding.groupSize ?? launch.ranks
        run.computeBytes = model.usesBFloat16 || model.fp16 ? 2 : 4
        switch optimizer.name.algorithm {
        case .adamw: run.momentBytes = 8
        // Muon's matrices have one moment; its tables and vectors, AdamW's, two.
        case .lion, .muon: run.momentBytes = 4
        // Adafactor keeps a row and a column of each matrix.
        case .sgd, .adafactor: run.momentBytes = 0
        }
        run.tokens = batch.microBatchSize * data.sequenceLength
        run.accumulates = batch.gradientAccumulationSteps > 1
        run.recomputes = model.gradientCheckpointing
        run.prefetchBytes = sharding.gatherPrefetchBytes
        run.keepsGathered = sharding.keepsGatheredAcrossMicroBatches
        if checkpoints.savesInBackground { run.backgroundSavers = launch.ranks }
        run.adapter = adapter.outline
        return run
    }
}

extension AdapterSettings {
    fileprivate var outline: AdapterOutline? {
        guard kind != nil else { return nil }
        var outline = AdapterOutline()
        outline.rank = rank ?? outline.rank
        outline.ranks = rankPattern
        if targetLinear || targetModules == ["all-linear"] {
            outline.targets = .allLinear
        } else if targetModules.count == 1, targetModules[0].contains(where: Self.isSign) {
            outline.targets = .matching(targetModules[0])
        } else if !targetModules.isEmpty {
            outline.targets = .named(targetModules)
        }
        outline.excluded = excludeModules
        outline.layers = layersToTransform.isEmpty ? nil : layersToTransform
        outline.savedModules = modulesToSave
        outline.hasDropout = dropout > 0
        outline.isWeightDecomposed = usesDoRA
        outline.beginning =
            switch initialization {
            case .loraGA: .gradients
            case .corda: .covariances
            default: nil
            }
        if loadIn8Bit { outline.quantizedBits = 8 }
        // Codes, and a scale for each 64, of 32 bits or of 8 and a little.
        if loadIn4Bit { outline.quantizedBits = quantization.usesDoubleQuantization ? 4.13 : 4.5 }
        return outline
    }

    private static func isSign(_ character: Character) -> Bool {
        "*()[]|\\^$+?".contains(character)
    }
}

// MARK: - As text and JSON

extension MemoryPlan {
    /// A table of MiB: kinds by stages.
    var text: String {
        let recipe = resolved.recipe
        let count = Double(model.parameterCount) / 1e6
        let tokens = recipe.batch.microBatchSize * recipe.data.sequenceLength
        var lines = [
            "\(resolved.path): \(count.fixed(1)) M parameters, ranks: \(ranks), "
                + "at most \(tokens) tokens a micro-batch; MiB per rank",
            "",
        ]
        let heads = stages.map { stage in
            stage.sharding == chosen.sharding
                ? "[\(stage.sharding.rawValue)]" : stage.sharding.rawValue
        }
        lines.append(row("sharding", heads))
        for kind in MemoryEstimate.Kind.allCases
        where stages.contains(where: { $0.estimate.bytes[kind] ?? 0 > 0 }) {
            lines.append(row(kind.rawValue, stages.map { mebibytes($0.estimate.bytes[kind] ?? 0) }))
        }
        lines.append(row("all of a rank", stages.map { mebibytes($0.estimate.total) }))
        if stages.contains(where: { $0.estimate.beginning > 0 }) {
            let word = recipe.adapter.initialization.rawValue
            lines.append(row("before, \(word)", stages.map { mebibytes($0.estimate.beginning) }))
        }
        lines.append(row("all ranks", stages.map { mebibytes($0.estimate.peak * ranks) }))
        if let availableBytes {
            let verdicts = stages.map { fits($0.estimate) ? "yes" : "no" }
            lines.append(row("fits into \(ByteCount(availableBytes).binary)", verdicts))
        }
        if let advice { lines += ["", advice] }
        return lines.joined(separator: "\n") + "\n"
    }

    private func mebibytes(_ bytes: Int) -> String { (Double(bytes) / 1_048_576).fixed(0) }

    private func row(_ name: String, _ cells: [String]) -> String {
        func space(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(1, width - text.count))
        }
        return name + space(name, 20) + cells.map { space($0, 13) + $0 }.joined()
    }

    var json: JSON {
        let stages = stages.map { stage -> JSON in
            var kinds = JSONObject()
            for kind in MemoryEstimate.Kind.allCases {
                kinds[kind.rawValue] = .integer(stage.estimate.bytes[kind] ?? 0)
            }
            return [
                "sharding": .string(stage.sharding.rawValue),
                "stage": .integer(stage.sharding.stageNumber),
                "is_chosen": .bool(stage.sharding == chosen.sharding),
                "bytes_per_rank": .object(kinds), "total_bytes": .integer(stage.estimate.total),
                "beginning_bytes": .integer(stage.estimate.beginning),
                "fits": .bool(fits(stage.estimate)),
            ]
        }
        return [
            "recipe": .string(resolved.path), "ranks": .integer(ranks),
            "parameters": .integer(model.parameterCount),
            "available_bytes": availableBytes.map { .integer($0) } ?? .null,
            "stages": .array(stages), "advice": advice.map { .string($0) } ?? .null,
        ]
    }
}
