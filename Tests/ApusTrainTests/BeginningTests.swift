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
import Foundation
import Testing

@testable import ApusTrain

/// Adapters that data begins, against PEFT and on several ranks.
@Suite struct BeginningTests {
    /// What a rank has after the beginning: layers with their ranks, and all values.
    struct Begun: Sendable {
        var layers: [String: [Double]]
        var values: [String: [Float]]
        var shapes: [String: [Int]]
    }

    private func begin(
        _ golden: BeginningGolden, _ split: TrainingGolden.Split
    ) throws -> [Begun] {
        try LoopbackWorld.run(split.ranks) { group in
            let adapted = try golden.begin(golden.configuration(), split, group)
            let trained = try TrainedModel(
                adapted.model, options: BeginningGolden.options(split), group: group)
            #expect(try trained.load(from: adapted.weights).isEmpty)
            var begun = Begun(layers: Self.layers(adapted), values: [:], shapes: [:])
            try trained.forEachParameter {
                begun.values[$0.name] = $0.value.floats()
                begun.shapes[$0.name] = $0.shape
            }
            return begun
        }
    }

    private static func layers(_ adapted: AdaptedModel) -> [String: [Double]] {
        let layers = adapted.weights.plan.adapted
        return Dictionary(
            uniqueKeysWithValues: layers.map {
                ($0.path, [Double($0.options.rank), $0.options.scale])
            })
    }

    @Test(
        arguments: BeginningGolden.all,
        [
            TrainingGolden.Split(), .init(ranks: 2, microBatchSize: 2, strategy: .parameters),
            .init(ranks: 2, microBatchSize: 2, strategy: .gradients),
        ])
    func equalsPEFT(_ golden: BeginningGolden, _ split: TrainingGolden.Split) throws {
        let ranks = try begin(golden, split)
        for other in ranks.dropFirst() {
            #expect(other.layers == ranks[0].layers && other.values == ranks[0].values)
        }
        let begun = ranks[0]
        if golden.name.hasPrefix("eva") {
            let read = try AdaptedModel(golden.base(), AdapterFolder(path: golden.folder))
            #expect(begun.layers == Self.layers(read))
        }
        let expected = try golden.expected()
        for (name, wanted) in expected {
            let own = try #require(begun.values[name], "\(name)")
            let shape = try #require(begun.shapes[name])
            try #require(own.count == wanted.count, "\(name)")
            let distance = largestDistance(own, wanted, alongRows: name.contains("lora_A"), shape)
            // Of small singular values neighbouring vectors are hardly apart: see their products.
            let largest = wanted.map(abs).max() ?? 0
            let isEVA = golden.name.hasPrefix("eva")
            let isCorDA = golden.name.hasPrefix("corda")
            let tolerance =
                isCorDA ? 1e-3 * largest : min(isEVA ? 1e-5 : 2e-5, 1e-4 * largest + 1e-7)
            #expect(distance < tolerance, "\(name)")
        }
        if golden.name.hasPrefix("corda") {
            let own = products(begun.values, begun.shapes)
            let wanted = products(expected, begun.shapes)
            #expect(own.count == wanted.count && !own.isEmpty)
            for (a, b) in zip(own, wanted) { #expect((a - b).abs().max().item() < 1e-5) }
        }
        // Signs of singular vectors are free, and LoRA-GA takes others on each side.
        guard !golden.name.hasPrefix("lora-ga") else { return }
        for (name, wanted) in try golden.expected("expected") {
            let own = try #require(begun.values[name], "\(name)")
            #expect(zip(own, wanted).allSatisfy { abs($0 - $1) < 1e-5 }, "\(name)")
        }
    }

    /// What the factors add to the weights, over the scale.
    private func products(_ values: [String: [Float]], _ shapes: [String: [Int]]) -> [Tensor] {
        values.keys.filter { $0.contains("lora_A") }.sorted().compactMap { name in
            let other = name.replacing("lora_A", with: "lora_B")
            guard let down = values[name], let up = values[other], let first = shapes[name],
                let second = shapes[other]
            else { return nil }
            return Tensor(up, shape: second).matmul(Tensor(down, shape: first))
        }
    }

    /// The largest difference where each row, or column, of a factor may have the other sign.
    private func largestDistance(
        _ own: [Float], _ wanted: [Float], alongRows: Bool, _ shape: [Int]
    ) -> Float {
        guard shape.count == 2 else {
            return zip(own, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
        }
        let (outer, inner) = alongRows ? (shape[0], shape[1]) : (shape[1], shape[0])
        return (0..<outer).reduce(Float(0)) { largest, index in
            let places = (0..<inner).map { alongRows ? index * inner + $0 : $0 * outer + index }
            let product = places.reduce(Float(0)) { $0 + own[$1] * wanted[$1] }
            let sign: Float = product < 0 ? -1 : 1
            return places.reduce(largest) { max($0, abs(sign * own[$1] - wanted[$1])) }
        }
    }

    // MARK: What comes of it

    private static let variants: [(String, @Sendable (inout LoRAConfiguration) -> Void)] = [
        ("eva", { $0.usesDoRA = true }),
        ("corda", { ($0.isRankStabilized, $0.ranks) = (true, [.init("q_proj", 2)]) }),
        ("corda", { $0.usesDoRA = true }),
        ("lora-ga", { $0.targets = .named(["embed_tokens", "o_proj", "lm_head"]) }),
        ("lora-ga", { ($0.alphas, $0.loraGA.direction) = ([.init("up_proj", 3)], .random) }),
    ]

    /// The model begins as the base, and after some steps the folder that is written computes with
    /// the base what the trained model does.
    @Test(arguments: Array(variants.indices))
    func foldersStandBesideTheBase(_ index: Int) throws {
        let (name, change) = Self.variants[index]
        let golden = BeginningGolden(name: name)
        var configuration = try golden.configuration()
        change(&configuration)
        let group = SingleRankProcessGroup()
        let split = TrainingGolden.Split()
        let adapted = try golden.begin(configuration, split, group)
        let trained = try TrainedModel(
            adapted.model, options: BeginningGolden.options(split), group: group)
        _ = try trained.load(from: adapted.weights)
        let ids = Tensor((0..<20).map { 3 + ($0 * 17) % 120 }, shape: [1, 20])
        func logits(_ model: any LanguageModel) -> [Float] {
            withoutGradient { model.logits(ids).floats() }
        }
        func distance(_ a: [Float], _ b: [Float]) -> Float {
            zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } / (b.map(abs).max() ?? 1)
        }
        let before = logits(try golden.base().makeModel(dtype: .float32))
        #expect(distance(logits(trained.model), before) < 2e-5)

        let loop = TrainingLoop(
            trained,
            schedule: LearningRateSchedule(.constant, peak: 1e-2, warmupSteps: 0, totalSteps: 3),
            batches: try BeginningGolden.batches(split, group))
        for _ in 0..<3 { _ = try loop.next() }
        let after = logits(trained.model)
        #expect(distance(after, before) > 1e-3)
        let folder = NSTemporaryDirectory() + "apus-beginning-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try AdapterSaver(adapted.weights.plan, baseModel: "somewhere")
            .save(trained.model.store, to: folder)
        let read = try AdaptedModel(golden.base(), AdapterFolder(path: folder))
        #expect(distance(logits(try read.load(dtype: .float32)), after) < 2e-5)
        let isConverted = name != "eva"
        #expect(read.weights.plan.configuration.initialization == (isConverted ? .standard : .eva))
    }

    /// A rank that is asked to stop takes the other along, between two windows.
    @Test(arguments: ["eva", "corda", "lora-ga"])
    func aStopIsHeard(_ name: String) throws {
        let golden = BeginningGolden(name: name)
        let asked = try LoopbackWorld.run(2) { group in
            var asked = 0
            #expect(throws: StoppedBeforeTraining.self) {
                try golden.begin(
                    golden.configuration(), .init(ranks: 2), group,
                    wantsStop: {
                        asked += 1
                        return group.rank == 1 && asked == 2
                    })
            }
            return asked
        }
        #expect(asked == [2, 2])
    }

    /// A sample counts the same among others in a row as alone.
    @Test(arguments: ["corda", "lora-ga"])
    func packingChangesNothing(_ name: String) throws {
        let golden = BeginningGolden(name: name)
        let group = SingleRankProcessGroup()
        func residual(packing: Bool) throws -> Tensor {
            var batches = try BeginningGolden.batches(.init(), group, packing: packing)
            let epoch = batches.stepsPerEpoch
            let adapted = try AdaptedModel(golden.base(), golden.configuration()).begun(
                options: BeginningGolden.options(.init()), group: group, windows: epoch
            ) {
                batches.next()
            }
            let model = try adapted.load(dtype: .float32)
            return try #require(model.store["model.layers.1.self_attn.o_proj.weight"]).value
        }
        let (plain, packed) = (try residual(packing: false), try residual(packing: true))
        #expect((plain - packed).abs().max().item() < 1e-5)
    }

    /// What the weights have lost is what the factors begin with, to the last bit that counts.
    @Test(arguments: ["corda", "lora-ga"])
    func narrowFactorsBeginRounded(_ name: String) throws {
        let golden = BeginningGolden(name: name)
        let group = SingleRankProcessGroup()
        var configuration = try golden.configuration()
        configuration.corda.isNarrow = true
        let adapted = try golden.begin(configuration, .init(), group, precision: .bfloat16)
        let store = try adapted.load(dtype: .float32).store
        let path = "model.layers.0.mlp.up_proj"
        func value(_ name: String) throws -> Tensor { try #require(store["\(path).\(name)"]).value }
        let (down, up) = (try value("lora_A.weight"), try value("lora_B.weight"))
        #expect(down.to(.bfloat16).to(.float32).isSame(as: down))
        #expect(try value("lora_start_B.weight").isSame(as: up))
        let whole = try value("weight") + up.matmul(down) * 2
        let base = try #require(golden.base().makeModel(dtype: .float32).store["\(path).weight"])
        #expect((whole - base.value).abs().max().item() < 1e-6)
    }

    @Test func whatCannotBe() throws {
        let golden = BeginningGolden(name: "lora-ga")
        let group = SingleRankProcessGroup()
        func failure(
            _ split: TrainingGolden.Split = .init(),
            _ change: (inout LoRAConfiguration) throws -> Void
        ) -> String {
            do {
                var configuration = try golden.configuration()
                try change(&configuration)
                _ = try golden.begin(configuration, split, group)
                return "nothing failed"
            } catch {
                return "\(error)"
            }
        }
        #expect(failure { $0.rank = 12 }.contains("24 singular vectors of the gradient"))
        #expect(failure { $0.hasBias = true }.contains("lora_bias does not go with"))
        #expect(
            failure { ($0.initialization, $0.rank) = (.corda, 24) }.contains("corda takes 24"))
        let single = failure(.init(microBatchSize: 1)) {
            ($0.initialization, $0.rank) = (.eva, 100)
        }
        #expect(single.contains("32 directions") && single.contains("as many tokens"))
        let read = failure { _ in
            let folder = try AdapterFolder(path: BeginningGolden(name: "corda").folder)
            _ = try AdaptedModel(golden.base(), folder)
        }
        #expect(read.contains("an adapter folder does not hold"))
        let base = try golden.base()
        #expect(throws: AdapterError.self) {
            _ = try AdaptedModel(
                base, golden.configuration(), quantization: .nf4(doubleQuantized: false))
        }
        let embedding = failure { $0.targets = .named(["embed_tokens"]) }
        #expect(embedding.contains("begins linear layers"))
        // Not begun, and without data.
        let declared = try AdaptedModel(base, golden.configuration())
        #expect(throws: FileError.self) { _ = try declared.load(dtype: .float32) }
        #expect(throws: AdapterError.self) {
            _ = try declared.begun(options: EngineOptions(), group: group) { nil }
        }
    }
}
