import ApusBase
import ApusFormats
import ApusModels
import ApusTensor
import FileTestSupport
import Testing

/// Generating token by token: batches, endings, limits, defaults.
@Suite struct GenerationTests {
    private let prompts = [[5, 17, 99, 23, 64], [31, 8], [110, 56, 20, 9, 9, 41, 77, 3, 4]]

    private func options(_ count: Int = 12) -> GenerationOptions {
        var options = GenerationOptions()
        options.maximumNewTokens = count
        return options
    }

    @Test(arguments: ModelFixture.continued)
    func recordedContinuations(_ fixture: ModelFixture) throws {
        let greedy = try #require(try fixture.expected()["greedy"])
        let expected = try ids(greedy["token_ids"])
        let generator = TokenGenerator(try fixture.model(), options(expected.count))
        let rows = try generator.generate([try ids(greedy["prompt"])])
        #expect(rows.map(\.tokenIDs) == [expected])
        #expect(rows[0].ending == .lengthLimit)
    }

    /// A batch padded on the left gives each row what it gets alone, greedy and sampled.
    @Test(arguments: PackingTests.families)
    func batchesEqualSingleRows(_ name: String) throws {
        let model = try ModelFixture(name: name).model()
        var sampled = options()
        sampled.sampling.temperature = 0.8
        sampled.seed = 5
        for options in [options(), sampled] {
            let together = try TokenGenerator(model, options).generate(prompts)
            for (row, prompt) in prompts.enumerated() {
                // A row keeps its random sequence, whatever stands in the other rows.
                var alone = Array(repeating: prompt, count: prompts.count)
                alone[(row + 1) % alone.count] = [7, 7, 7]
                let rows = try TokenGenerator(model, options).generate(alone)
                #expect(rows[row] == together[row])
            }
        }
    }

    /// What `Tools/goldens/generation.py` recorded of transformers' `generate`, by the settings of
    /// generation_config.json: penalties, limits and bans, in a batch padded on the left.
    @Test func settingsOfTheModelGiveWhatTransformersGives() throws {
        let golden = try readJSON(FilePaths.join(ModelFixture.root, "generation.json"))
        let prompts = try #require(golden["prompts"]?.arrayValue).map { try ids($0) }
        let longest = prompts.map(\.count).max() ?? 0
        let cases = try #require(golden["cases"]?.arrayValue)
        #expect(cases.count >= 20)
        for entry in cases {
            let fixture = ModelFixture(name: try #require(entry["model"]?.stringValue))
            let settings = try #require(entry["settings"]?.objectValue)
            let folder = try TemporaryFolder(copying: fixture.folder)
            var json: JSONObject = ["eos_token_id": 2]
            for (key, value) in settings.members { json[key] = value }
            try folder.write("generation_config.json", json)
            let defaults = try PretrainedModel(path: folder.path).generationDefaults()
            #expect(defaults.unknown.isEmpty)
            var options = GenerationOptions()
            options.sampling = defaults.sampling
            options.stopIDs = defaults.stopIDs
            options.minimumNewTokens = defaults.minimumNewTokens
            options.maximumNewTokens =
                try #require(
                    defaults.maximumNewTokens ?? defaults.maximumLength.map { $0 - longest })
            let rows = try TokenGenerator(fixture.model(), options).generate(prompts)
            let wanted = try #require(entry["token_ids"]?.arrayValue).map { try ids($0) }
            #expect(rows.map(\.tokenIDs) == wanted, "\(fixture.name) \(settings)")
        }
    }

    @Test func samplesDifferAndRepeatWithTheSeed() throws {
        let model = try ModelFixture(name: "llama-tied").model()
        var options = options()
        options.sampling.temperature = 1
        let samples = Array(repeating: prompts[0], count: 4)
        let first = try TokenGenerator(model, options).generate(samples)
        #expect(Set(first.map(\.tokenIDs)).count == 4)
        #expect(try TokenGenerator(model, options).generate(samples) == first)
        options.seed = 1
        #expect(try TokenGenerator(model, options).generate(samples) != first)
    }

    @Test func rowsEndAtStopTokens() throws {
        let model = try ModelFixture(name: "llama-tied").model()
        let free = try TokenGenerator(model, options()).generate(prompts)
        var stopping = options()
        stopping.stopIDs = [free[1].tokenIDs[4]]
        let rows = try TokenGenerator(model, stopping).generate(prompts)
        for (row, all) in zip(rows, free) {
            let end = all.tokenIDs.firstIndex { stopping.stopIDs.contains($0) }
            let expected = end.map { Array(all.tokenIDs[...$0]) } ?? all.tokenIDs
            #expect(row.tokenIDs == expected)
            #expect(row.ending == (end == nil ? .lengthLimit : .stopToken))
        }
    }

    @Test func theCallerEndsARow() throws {
        let model = try ModelFixture(name: "gpt2").model()
        var count = 0
        let rows = try TokenGenerator(model, options()).generate([prompts[0]]) { _, _ in
            count += 1
            return count < 3
        }
        #expect(rows[0].tokenIDs.count == 3)
        #expect(rows[0].ending == .caller)
    }

    @Test func learnedPositionsLimitALength() throws {
        let model = try ModelFixture(name: "gpt2").model()
        let prompt = Array(repeating: 9, count: 60)
        let rows = try TokenGenerator(model, options(100)).generate([prompt])
        // Positions 0 to 63: the token predicted at the last of them is the last one.
        #expect(rows[0].tokenIDs.count == 5)
        #expect(rows[0].ending == .positionLimit)
        #expect(throws: GenerationError.self) {
            try TokenGenerator(model, options()).generate([Array(repeating: 9, count: 65)])
        }
    }

    @Test func promptsThatCannotBe() throws {
        let generator = TokenGenerator(try ModelFixture(name: "llama-tied").model(), options())
        #expect(throws: GenerationError.self) { try generator.generate([[]]) }
        #expect(throws: GenerationError.self) { try generator.generate([[3, 128]]) }
        #expect(throws: GenerationError.self) { try generator.generate([[-1]]) }
        #expect(try generator.generate([]).isEmpty)
    }

    /// A limit of a billion tokens allocates memory for those that are produced.
    @Test func theCacheGrowsWithTheText() throws {
        let model = try ModelFixture(name: "llama-tied").model()
        var endless = options(1_000_000_000)
        let first = try TokenGenerator(model, options(200)).generate([prompts[0]])[0].tokenIDs
        var produced = 0
        endless.stopIDs = []
        let rows = try TokenGenerator(model, endless).generate([prompts[0]]) { _, _ in
            produced += 1
            return produced < 200
        }
        #expect(rows[0].tokenIDs == first)
    }

    @Test func defaultsComeFromTheModel() throws {
        let folder = try TemporaryFolder(copying: ModelFixture(name: "llama-tied").folder)
        func defaults(_ json: JSONObject) throws -> GenerationDefaults {
            try folder.write("generation_config.json", json)
            return try PretrainedModel(path: folder.path).generationDefaults()
        }
        let plain = try defaults(["eos_token_id": [2, 7], "temperature": 0.4])
        #expect(plain.stopIDs == [2, 7])
        #expect(plain.sampling == .greedy)
        let sampled = try defaults([
            "do_sample": true, "temperature": 0.6, "top_p": 0.9, "max_new_tokens": 33,
        ])
        #expect(sampled.sampling.temperature == 0.6)
        #expect(sampled.sampling.topP == 0.9)
        #expect(sampled.sampling.topK == 50)
        #expect(sampled.maximumNewTokens == 33)
        // config.json has the end of text where generation_config.json has none.
        #expect(sampled.stopIDs == [2])
        let more = try defaults([
            "stop_strings": ["END", "\n\n"], "num_return_sequences": 3, "num_beams": 4,
            "typical_p": 1.0, "length_penalty": 1.0,
        ])
        #expect(more.stopStrings == ["END", "\n\n"])
        #expect(more.sampleCount == 3)
        // What is not there is told, what is switched off is not.
        #expect(more.unknown == ["num_beams"])
        #expect(failure { _ = try defaults(["eos_token_id": "end"]) }.contains("eos_token_id"))
        #expect(failure { _ = try defaults(["do_sample": true, "top_p": 7]) }.contains("top-p"))
    }
}
