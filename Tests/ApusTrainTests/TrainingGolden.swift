import ApusBase
import ApusComm
import ApusData
import ApusFormats
import ApusModels
import ApusNN
import ApusOptim
import ApusShard
import ApusTensor
import ApusZeRO
import Testing

@testable import ApusTrain

/// A run of PyTorch and transformers, and the same run here. How it was made: Fixtures/README.md.
struct TrainingGolden: CustomStringConvertible, Sendable {
    static let adamw = ["llama-untied", "llama-tied", "gpt2", "qwen2", "qwen3"].map {
        TrainingGolden(name: "\($0)-adamw")
    }
    static let otherRules = ["sgd", "lion", "adafactor"].map {
        TrainingGolden(name: "llama-untied-\($0)")
    }
    static let bfloat16 = TrainingGolden(name: "llama-untied-adamw-bf16")

    let name: String
    var description: String { name }

    struct Step: Sendable {
        var loss: Double
        var gradientNorm: Double
        var learningRate: Double
    }

    /// How the four sequences of an optimizer step are computed.
    struct Split: Sendable, CustomStringConvertible {
        var ranks = 1
        var microBatchSize = 4
        var accumulationSteps = 1
        var recomputes = false
        var strategy = ShardingStrategy.none
        var groupSize: Int?

        var description: String {
            let size = "\(ranks) ranks x \(microBatchSize) x \(accumulationSteps)"
            return size + (recomputes ? ", recomputed" : "") + ", sharding \(strategy)"
        }
    }

    static let tests = String(#filePath.dropLast("ApusTrainTests/TrainingGolden.swift".count))

    func json() throws -> JSON {
        let file = try MappedFile(path: Self.tests + "ApusTrainTests/Fixtures/\(name).json")
        return try file.withBytes { try JSON.parse($0) }
    }

    func expected() throws -> [Step] {
        try (json()["steps"]?.arrayValue ?? []).map { step in
            Step(
                loss: step["loss"]!.doubleValue!, gradientNorm: step["grad_norm"]!.doubleValue!,
                learningRate: step["learning_rate"]!.doubleValue!)
        }
    }

    /// Runs the golden's steps and returns what rank 0 reports.
    func run(_ split: Split) throws -> [Step] {
        try LoopbackWorld.run(split.ranks) { group in try run(split, group) }[0]
    }

    private func run(_ split: Split, _ group: any ProcessGroup) throws -> [Step] {
        let json = try json()
        let folder = Self.tests + "ApusModelsTests/Fixtures/models/" + json["model"]!.stringValue!
        let source = try PretrainedModel(path: folder)
        let trained = try TrainedModel(
            source.family.makeModel(), options: options(json, split), group: group)
        #expect(try trained.load(from: source).isEmpty)
        for unit in trained.model.store.units {
            unit.recomputesActivations = split.recomputes && trained.model.isBlock(unit)
        }
        let loop = TrainingLoop(
            trained, schedule: schedule(json), batches: try batches(split, group))
        return try (0..<20).map { _ in
            let record = try loop.next()
            return Step(
                loss: record.loss, gradientNorm: record.gradientNorm ?? .nan,
                learningRate: record.learningRate)
        }
    }

    private func batches(_ split: Split, _ group: any ProcessGroup) throws -> TrainingBatches {
        let path = Self.tests + "ApusTrainTests/Fixtures/tokens.jsonl"
        let data = try Dataset.load(
            [DataSource(path: path, kind: .tokens)], encoder: NoEncoder(), renderer: nil)
        var options = BatchOptions()
        options.microBatchSize = split.microBatchSize
        options.accumulationSteps = split.accumulationSteps
        options.shuffles = false
        return TrainingBatches(
            data.samples, options, rank: group.rank, worldSize: group.worldSize)
    }

    private func options(_ json: JSON, _ split: Split) -> EngineOptions {
        var options = EngineOptions()
        options.sharding.strategy = split.strategy
        options.sharding.groupSize = split.groupSize
        options.precision = json["compute_dtype"]!.stringValue == "bfloat16" ? .bfloat16 : .float32
        options.weightDecay = json["weight_decay"]!.doubleValue!
        options.maximumGradientNorm = json["max_grad_norm"]!.doubleValue!
        let optimizer = json["optimizer"]!
        let betas = optimizer["betas"]?.arrayValue?.compactMap(\.doubleValue) ?? []
        switch optimizer["name"]!.stringValue! {
        case "adamw": options.rule = AdamW(beta1: betas[0], beta2: betas[1])
        case "lion": options.rule = Lion(beta1: betas[0], beta2: betas[1])
        case "sgd": options.rule = SGD(momentum: optimizer["momentum"]!.doubleValue!)
        default: options.rule = Adafactor()
        }
        return options
    }

    private func schedule(_ json: JSON) -> LearningRateSchedule {
        let schedule = json["schedule"]!
        return LearningRateSchedule(
            .cosine(), peak: json["optimizer"]!["learning_rate"]!.doubleValue!,
            warmupSteps: schedule["warmup_steps"]!.intValue!,
            totalSteps: schedule["total_steps"]!.intValue!)
    }
}
