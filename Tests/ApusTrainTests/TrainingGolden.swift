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
    static let adapters = ["llama-lora", "llama-dora", "llama-saved", "llama-plus"].map {
        TrainingGolden(name: "adapters/\($0)")
    }

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

    private var path: String { Self.tests + "ApusTrainTests/Fixtures/\(name)" }

    func json() throws -> JSON {
        try MappedFile(path: path + ".json").withBytes { try JSON.parse($0) }
    }

    /// Every weight of a trained adapter, by the model's names.
    func expectedWeights() throws -> [String: [Float]] {
        let file = try SafetensorsFile(path: path + "/final.safetensors")
        var weights: [String: [Float]] = [:]
        for name in file.names {
            let short = String(name.dropFirst("base_model.model.".count))
            weights[short.replacing(".base_layer", with: "")] = try file.floats(name)
        }
        return weights
    }

    func expected() throws -> [Step] {
        try (json()["steps"]?.arrayValue ?? []).map { step in
            Step(
                loss: step["loss"]!.doubleValue!, gradientNorm: step["grad_norm"]!.doubleValue!,
                learningRate: step["learning_rate"]!.doubleValue!)
        }
    }

    /// Runs the golden's steps and returns what rank 0 reports.
    func run(_ split: Split) throws -> [Step] { try train(split).steps }

    /// The same, and what an adapter has learnt.
    func train(_ split: Split) throws -> (steps: [Step], weights: [String: [Float]]) {
        try LoopbackWorld.run(split.ranks) { group in try train(split, group) }[0]
    }

    private func train(
        _ split: Split, _ group: any ProcessGroup
    ) throws -> (steps: [Step], weights: [String: [Float]]) {
        let json = try json()
        let trained = try makeModel(json, options(json, split), group)
        for unit in trained.model.store.units {
            unit.recomputesActivations = split.recomputes && trained.model.isBlock(unit)
        }
        let loop = TrainingLoop(
            trained, schedule: schedule(json), batches: try batches(split, group))
        let steps = try (0..<20).map { _ in
            let record = try loop.next()
            return Step(
                loss: record.loss, gradientNorm: record.gradientNorm ?? .nan,
                learningRate: record.learningRate)
        }
        var weights: [String: [Float]] = [:]
        guard FilePaths.isFolder(path) else { return (steps, weights) }
        try trained.forEachParameter(where: \.spec.isTrainable) {
            weights[$0.name] = $0.value.floats()
        }
        return (steps, weights)
    }

    private func makeModel(
        _ json: JSON, _ options: EngineOptions, _ group: any ProcessGroup
    ) throws -> TrainedModel {
        let folder = Self.tests + "ApusModelsTests/Fixtures/models/" + json["model"]!.stringValue!
        let base = try PretrainedModel(path: folder)
        guard FilePaths.isFolder(path) else {
            let trained = try TrainedModel(base.family.makeModel(), options: options, group: group)
            #expect(try trained.load(from: base).isEmpty)
            return trained
        }
        let adapted = try AdaptedModel(base, AdapterFolder(path: path))
        if let plus = json["loraplus"]?.arrayValue?.compactMap(\.doubleValue) {
            LoRAPlus(ratio: plus[0], embeddingRate: plus[1]).apply(
                to: adapted.model.store,
                learningRate: json["optimizer"]!["learning_rate"]!.doubleValue!)
        }
        let trained = try TrainedModel(adapted.model, options: options, group: group)
        _ = try trained.load(from: adapted.weights)
        return trained
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
