/// A quantity that follows from the recipe and that people want to see before a run.
public struct DerivedValue: Sendable, Hashable {
    public let name: String
    public let value: String
    public let formula: String
}

extension ResolvedRecipe {
    /// What follows from the settings without looking at model or data.
    public var derivedValues: [DerivedValue] {
        [precision, sequencesPerStep, tokensPerStep, length, warmup]
    }

    /// The run in one line: what was decided for the user stands in it with its reason.
    public var outline: String {
        let ranks = recipe.launch.ranks
        let threads = recipe.launch.threadsPerRank ?? 1
        var parts = ["\(ranks) rank\(ranks == 1 ? "" : "s")"]
        parts[0] += " x \(threads) thread\(threads == 1 ? "" : "s")"
        parts.append(recipe.model.computeName)
        if case .derived(let reason) = origin(of: "bf16").place { parts[1] += " (\(reason))" }
        let stage = recipe.sharding.stage
        if stage != .replicated { parts.append("\(stage.rawValue) sharded") }
        parts.append("into \(recipe.output.outputDirectory)")
        return "\(path): " + parts.joined(separator: ", ")
    }

    private var precision: DerivedValue {
        let name = recipe.model.computeName
        let isFull = name == "fp32"
        return DerivedValue(
            name: "precision", value: isFull ? name : "\(name), fp32 master weights",
            formula: isFull ? "bf16 and fp16 are false" : "\(name) is true")
    }

    private var sequencesPerStep: DerivedValue {
        let batch = recipe.batch
        return DerivedValue(
            name: "sequences per step", value: product().map(String.init) ?? "too many to count",
            formula: "micro_batch_size \(batch.microBatchSize) x gradient_accumulation_steps "
                + "\(batch.gradientAccumulationSteps) x ranks \(recipe.launch.ranks)")
    }

    private var tokensPerStep: DerivedValue {
        let length = recipe.data.sequenceLength
        let tokens = product().flatMap { Self.product($0, length) }
        return DerivedValue(
            name: "tokens per step, at most", value: tokens.map(String.init) ?? "too many to count",
            formula: "sequences per step x sequence_len \(length)")
    }

    private var length: DerivedValue {
        if let steps = recipe.batch.maxSteps {
            return DerivedValue(
                name: "length", value: "\(steps) steps", formula: "max_steps; wins over num_epochs")
        }
        let epochs = recipe.batch.numEpochs
        let text = epochs == epochs.rounded() && epochs < 1e15 ? String(Int(epochs)) : "\(epochs)"
        return DerivedValue(
            name: "length", value: "\(text) epoch\(text == "1" ? "" : "s")",
            formula: "num_epochs; the steps follow from the samples")
    }

    private var warmup: DerivedValue {
        let schedule = recipe.schedule
        if let ratio = schedule.warmupRatio {
            return DerivedValue(
                name: "warm-up", value: "\(ratio) of all steps", formula: "warmup_ratio")
        }
        return DerivedValue(
            name: "warm-up", value: "\(schedule.warmupSteps ?? 0) steps", formula: "warmup_steps")
    }

    private func product() -> Int? {
        Self.product(recipe.batch.microBatchSize, recipe.batch.gradientAccumulationSteps)
            .flatMap { Self.product($0, recipe.launch.ranks) }
    }

    private static func product(_ left: Int, _ right: Int) -> Int? {
        let (value, overflow) = left.multipliedReportingOverflow(by: right)
        return overflow ? nil : value
    }
}
