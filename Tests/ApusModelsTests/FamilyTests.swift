import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import Testing

/// Every model folder computes what transformers computes with it.
@Suite struct FamilyTests {
    @Test func thereAreFixtures() {
        #expect(ModelFixture.all.count >= 24)
        #expect(ModelFixture.continued.count >= 22)
    }

    @Test(arguments: ModelFixture.all)
    func logitsEqual(_ fixture: ModelFixture) throws {
        let model = try fixture.model()
        let batch = try tokens(fixture.expected()["input_ids"])
        let logits = withoutGradient { model.logits(batch) }
        #expect(logits.shape == [2, 20, model.vocabularySize])
        let expected = try fixture.logits()
        let largest = expected.map(abs).max() ?? 0
        // Gemma's logits are several times larger than the others'.
        #expect(largestDifference(logits.floats(), expected) < max(1e-5, 1e-6 * largest))
    }

    @Test(arguments: ModelFixture.all)
    func lossAndGradientsEqual(_ fixture: ModelFixture) throws {
        let model = try fixture.model()
        for parameter in model.store.parameters { parameter.value.requiringGradient() }
        let expected = try fixture.expected()
        let labels = try tokens(expected["labels"])
        let trained = labels.slice(1, 1..<20).isNotEqual(to: -100).sum().intItem()
        let sum = model.lossSum(tokens: try tokens(expected["input_ids"]), labels: labels)
        let mean = sum / Double(trained)
        mean.backward()

        let loss = try #require(expected["loss"]?.doubleValue)
        #expect(abs(mean.item() - loss) < 1e-6 * loss)
        try expectGradients(of: model.store, expected["gradients"])
    }

    @Test(arguments: ModelFixture.continued)
    func greedyContinuationsEqual(_ fixture: ModelFixture) throws {
        let model = try fixture.model()
        let greedy = try #require(try fixture.expected()["greedy"])
        let prompt = try ids(greedy["prompt"])
        let expected = try ids(greedy["token_ids"])
        #expect(uncachedGreedy(model, prompt, count: expected.count) == expected)
        #expect(cachedGreedy(model, prompt, count: expected.count) == expected)
        #expect(cachedGreedy(model, prompt, count: expected.count, pieces: [2, 1, 3]) == expected)
    }

    /// Computing activations again in backward changes nothing.
    @Test(arguments: ["llama-tied", "qwen3", "gpt2"])
    func recomputedActivationsGiveTheSameGradients(_ name: String) throws {
        let fixture = ModelFixture(name: name)
        let expected = try fixture.expected()
        let batch = try tokens(expected["input_ids"])
        let labels = try tokens(expected["labels"])
        func gradients(recomputing: Bool) throws -> [[Float]] {
            let model = try fixture.model()
            for unit in model.store.units { unit.recomputesActivations = recomputing }
            for parameter in model.store.parameters { parameter.value.requiringGradient() }
            model.lossSum(tokens: batch, labels: labels).backward()
            return model.store.parameters.map { $0.value.gradient?.floats() ?? [] }
        }
        #expect(try gradients(recomputing: true) == gradients(recomputing: false))
    }
}
