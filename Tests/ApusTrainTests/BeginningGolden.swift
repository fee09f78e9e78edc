import ApusBase
import ApusComm
import ApusData
import ApusFormats
import ApusModels
import ApusNN
import ApusShard
import ApusTensor
import ApusZeRO
import Testing

@testable import ApusTrain

/// An adapter that PEFT began by data, and the same here. How it was made: Fixtures/README.md.
struct BeginningGolden: CustomStringConvertible, Sendable {
    let name: String
    var description: String { name }

    static let all = [
        "eva", "eva-all-tokens", "eva-whitened", "corda", "corda-kpm", "lora-ga",
        "lora-ga-alternating", "lora-ga-descent", "lora-ga-weight",
    ].map { BeginningGolden(name: $0) }

    private static let fixtures = TrainingGolden.tests + "ApusTrainTests/Fixtures/"

    var folder: String { Self.fixtures + "beginnings/" + name }

    private func json(_ key: String) throws -> JSON {
        let json = try MappedFile(path: folder + "/expected.json").withBytes {
            try JSON.parse($0)
        }
        return try #require(json[key])
    }

    func base() throws -> PretrainedModel {
        let name = try #require(try json("base").stringValue)
        return try PretrainedModel(
            path: TrainingGolden.tests + "ApusModelsTests/Fixtures/models/" + name)
    }

    /// As it was before data was seen.
    func configuration() throws -> LoRAConfiguration {
        try LoRAConfiguration(json: json("asked"), path: name)
    }

    /// PEFT's values of what it trains, or of weights that it changed, by the model's names.
    func expected(_ file: String = "adapter_model") throws -> [String: [Float]] {
        let file = try SafetensorsFile(path: "\(folder)/\(file).safetensors")
        var values: [String: [Float]] = [:]
        for name in file.names {
            values[name.replacing("base_model.model.", with: "")] = try file.floats(name)
        }
        return values
    }

    /// The samples of the goldens, four in every window.
    static func batches(
        _ split: TrainingGolden.Split, _ group: any ProcessGroup, packing: Bool = false
    ) throws -> TrainingBatches {
        let data = try Dataset.load(
            [DataSource(path: fixtures + "tokens.jsonl", kind: .tokens)], encoder: NoEncoder(),
            renderer: nil)
        var options = BatchOptions()
        options.microBatchSize = split.microBatchSize
        options.accumulationSteps = split.accumulationSteps
        options.shuffles = false
        options.packing = packing
        options.sequenceLength = 64
        return TrainingBatches(
            data.samples, options, rank: group.rank, worldSize: group.worldSize)
    }

    /// As many windows as the golden was shown.
    private var windowCount: Int {
        name.hasPrefix("eva") ? 10_000 : name.hasPrefix("corda") ? 20 : 6
    }

    /// The adapter begun here.
    func begin(
        _ configuration: LoRAConfiguration, _ split: TrainingGolden.Split,
        _ group: any ProcessGroup, precision: PrecisionPolicy = .float32,
        wantsStop: @escaping () -> Bool = { false }
    ) throws -> AdaptedModel {
        var batches = try Self.batches(split, group)
        var options = Self.options(split)
        options.precision = precision
        return try AdaptedModel(base(), configuration, seed: 3).begun(
            options: options, group: group, windows: windowCount, wantsStop: wantsStop
        ) {
            batches.next()
        }
    }

    static func options(_ split: TrainingGolden.Split) -> EngineOptions {
        var options = EngineOptions()
        options.sharding.strategy = split.strategy
        return options
    }
}
