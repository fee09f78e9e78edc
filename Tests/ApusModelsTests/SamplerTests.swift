import ApusBase
import ApusModels
import ApusTensor
import Testing

/// Sampling against transformers' warpers, and what the draws themselves must satisfy.
@Suite struct SamplerTests {
    private func fixture() throws -> JSON { try readJSON(ModelFixture.root + "/sampling.json") }

    private func options(_ json: JSON) -> SamplingOptions {
        var options = SamplingOptions()
        options.temperature = json["temperature"]?.doubleValue ?? 1
        options.topK = json["top_k"]?.intValue
        options.topP = json["top_p"]?.doubleValue
        options.minP = json["min_p"]?.doubleValue
        options.repetitionPenalty = json["repetition_penalty"]?.doubleValue ?? 1
        return options
    }

    @Test func warpersEqualThoseOfTransformers() throws {
        let fixture = try fixture()
        let values = try #require(fixture["logits"]?.arrayValue).compactMap(\.doubleValue)
        let logits = Tensor(values.map(Float.init))
        let seen = try ids(fixture["seen"])
        for item in try #require(fixture["cases"]?.arrayValue) {
            let options = options(try #require(item["options"]))
            let scores = Sampler(options, seed: 0).warped(logits, after: seen).doubles()
            let expected = try #require(item["scores"]?.arrayValue).map {
                $0.doubleValue ?? -.infinity
            }
            for (a, b) in zip(scores, expected) {
                #expect(a == b || abs(a - b) < 1e-5, "\(options)")
            }
        }
    }

    @Test func drawsFollowTheProbabilities() {
        let probabilities: [Float] = [0.5, 0.3, 0, 0.15, 0.05]
        var options = SamplingOptions()
        options.temperature = 1
        var sampler = Sampler(options, seed: 11)
        let logits = Tensor(probabilities).log()
        var counts = [Int](repeating: 0, count: 5)
        for _ in 0..<4000 { counts[sampler.choose(logits, after: [])] += 1 }
        #expect(counts[2] == 0)
        for (count, probability) in zip(counts, probabilities) {
            #expect(abs(Double(count) / 4000 - Double(probability)) < 0.03)
        }
    }

    @Test func equalSeedsGiveEqualDraws() {
        var options = SamplingOptions()
        options.temperature = 1.5
        let logits = Tensor((0..<50).map { Float($0 % 7) })
        func draws(seed: UInt64, stream: Int = 0) -> [Int] {
            var sampler = Sampler(options, seed: seed, stream: stream)
            return (0..<40).map { _ in sampler.choose(logits, after: []) }
        }
        #expect(draws(seed: 3) == draws(seed: 3))
        #expect(draws(seed: 3) != draws(seed: 4))
        #expect(draws(seed: 3) != draws(seed: 3, stream: 1))
    }

    @Test func greedyTakesTheLargestAlsoWithAPenalty() {
        let logits = Tensor([1, 5, 4.5] as [Float])
        var sampler = Sampler(.greedy, seed: 0)
        #expect(sampler.choose(logits, after: [1]) == 1)
        var options = SamplingOptions.greedy
        options.repetitionPenalty = 1.5
        var penalizing = Sampler(options, seed: 0)
        #expect(penalizing.choose(logits, after: [1]) == 2)
    }

    @Test func optionsOutOfRangeAreNamed() {
        var options = SamplingOptions()
        options.topP = 1.5
        #expect(options.problem?.contains("top-p is 1.5") == true)
        options.topP = nil
        options.temperature = -1
        #expect(options.problem?.contains("temperature is -1.0") == true)
        options.temperature = .nan
        #expect(options.problem != nil)
        options = SamplingOptions()
        options.topK = 0
        #expect(options.problem?.contains("top-k is 0") == true)
        options = .greedy
        options.repetitionPenalty = 0
        #expect(options.problem?.contains("repetition penalty") == true)
        #expect(SamplingOptions.greedy.problem == nil)
    }
}
