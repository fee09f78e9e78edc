import ApusBase
import ApusExport
import ApusFormats
import ApusNN
import ApusTensor
import FileFuzz
import FileTestSupport
import Testing

@testable import ApusModels

/// What Apus writes as GGUF it reads again as the same model, for every family.
@Suite struct GGUFRoundTripTests {
    /// A folder of the fixtures, with the settings that llama.cpp computes in one way only set so.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var changes: JSONObject = [:]
        var testDescription: String { name }
    }

    static let cases =
        [
            "llama-untied", "llama-tied", "llama-biased", "llama-old-config", "llama-rope-linear",
            "llama-rope-yarn", "mistral", "mixtral", "qwen2", "qwen3", "phi3", "phi3-longrope",
            "olmo2", "gpt2", "gpt-neox", "gpt-neox-sequential",
        ].map { Case(name: $0) } + [
            Case(name: "gemma2", changes: ["query_pre_attn_scalar": 16]),
            Case(name: "gemma3", changes: ["query_pre_attn_scalar": 16]),
            Case(name: "qwen3-moe", changes: ["mlp_only_layers": []]),
            Case(name: "olmo2", changes: ["tie_word_embeddings": true]),
            Case(
                name: "smollm3",
                changes: [
                    "num_hidden_layers": 4, "no_rope_layers": [1, 1, 1, 0], "layer_types": .null,
                    "no_rope_layer_interval": 4,
                ]),
        ]

    /// Random weights, also in norms, under the configuration of a fixture.
    private func makeFolder(_ example: Case) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        var config = try #require(
            readJSON(ModelFixture(name: example.name).folder + "/config.json").objectValue)
        for (key, value) in example.changes.members { config[key] = value }
        // Those of published models, by which the divisors in the file are recognised.
        if config["rope_scaling"]?["original_max_position_embeddings"] != nil {
            var scaling = try #require(config["rope_scaling"]?.objectValue)
            scaling["original_max_position_embeddings"] = 8192
            config["rope_scaling"] = .object(scaling)
        }
        try folder.write("config.json", config)
        let pretrained = try PretrainedModel(path: folder.path, needsWeights: false)
        let model = pretrained.family.makeModel()
        model.store.allocate(dtype: .float32)
        var random = SplitMix64(seed: 5)
        for parameter in model.store.parameters {
            let memory = try #require(parameter.value.hostMemory)
            for index in 0..<parameter.spec.elementCount {
                let value = Float.random(in: -0.4...0.4, using: &random)
                memory.storeBytes(of: value, toByteOffset: 4 * index, as: Float.self)
            }
        }
        try ModelSaver(pretrained, dtype: .float32).save(model.store, to: folder.path)
        try folder.write("tokenizer.json", Self.tokenizer)
        return folder
    }

    /// As few tokens as a tokenizer can have.
    private static let tokenizer: JSONObject = [
        "version": "1.0", "added_tokens": [], "normalizer": .null, "post_processor": .null,
        "pre_tokenizer": [
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
        ],
        "decoder": ["type": "ByteLevel"],
        "model": ["type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2], "merges": ["a b"]],
    ]

    @Test(arguments: cases)
    func theModelIsTheSame(_ example: Case) throws {
        let folder = try makeFolder(example)
        let file = folder / "model.gguf"
        try GGUFExport(folder: folder.path, element: .f32).write(to: file)
        let (before, after) = (
            try PretrainedModel(path: folder.path), try PretrainedModel(path: file)
        )
        #expect(before.family.isSame(as: after.family))
        let models = (
            try before.makeModel(dtype: .float32), try after.makeModel(dtype: .float32)
        )
        let batch = Tensor([5, 9, 2, 77, 3, 100, 41, 8, 120, 17], shape: [1, 10])
        let logits = withoutGradient {
            (models.0.logits(batch).floats(), models.1.logits(batch).floats())
        }
        let largest = logits.0.map(abs).max() ?? 0
        #expect(largestDifference(logits.0, logits.1) <= 2e-6 * largest)
        // A part, as a rank reads its shard: neither whole rows nor whole heads.
        for parameter in models.0.store.parameters {
            let count = parameter.spec.elementCount
            let part = (count / 3)..<(count - count / 5)
            var values = [Float](repeating: 0, count: part.count)
            try values.withUnsafeMutableBytes {
                try after.read(parameter.spec, elements: part, as: .float32, into: $0)
            }
            let whole = parameter.value.floats()
            #expect(largestDifference(values, Array(whole[part])) < 1e-6, "\(parameter.name)")
        }
    }

    /// Damaged files of every kind are refused or read, and end nothing.
    @Test(arguments: cases)
    func damagedFilesAreRefusedOrRead(_ example: Case) throws {
        let folder = try makeFolder(example)
        try GGUFExport(folder: folder.path, element: .f16).write(to: folder / "model.gguf")
        let original = try contents(folder / "model.gguf")
        var mutation = Mutation(seed: 3)
        for _ in 0..<40 {
            try folder.write("damaged.gguf", mutation.mutate(original))
            do {
                _ = try PretrainedModel(path: folder / "damaged.gguf").makeModel(dtype: .float32)
            } catch is FileError {}
        }
    }

    @Test(arguments: [
        ("gemma2", "query_pre_attn_scalar is 24; llama.cpp computes such models only with 16"),
        ("smollm3", "no_rope_layers is [1, 0]; llama.cpp computes"),
        ("qwen3-moe", "mlp_only_layers is [0]; llama.cpp computes"),
        ("llama-rope-dynamic", "the rotary scaling dynamic of such models is not known"),
    ])
    func whatLlamaCppComputesOtherwiseIsRefused(_ name: String, _ expected: String) throws {
        let message = failure {
            _ = try GGUFExport(folder: ModelFixture(name: name).folder, element: .f32)
        }
        #expect(message.contains(expected), "\(message)")
    }

    @Test func windowsThatLlamaCppLeavesOutAreRemarked() throws {
        let export = try GGUFExport(
            folder: ModelFixture(name: "mistral-sliding").folder, element: .f32)
        #expect(export.remarks.contains { $0.contains("without its window of 6 tokens") })
    }
}

extension ModelFamily {
    /// The same computation, whatever epsilon's last digits.
    fileprivate func isSame(as other: ModelFamily) -> Bool {
        switch (self, other) {
        case (.llama(let a), .llama(let b)): a.layersWithoutRotation == b.layersWithoutRotation
        case (.gpt2, .gpt2), (.gptNeoX, .gptNeoX), (.gemma, .gemma), (.olmo2, .olmo2),
            (.phi3, .phi3), (.mixture, .mixture):
            true
        default: false
        }
    }
}
