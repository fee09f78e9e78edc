import ApusModels
import ApusNN
import ApusTensor
import Testing

/// What a model's loss can be besides plain.
@Suite struct ModelLossTests {
    private let ids = Tensor((0..<24).map { 3 + ($0 * 29) % 120 }, shape: [3, 8])

    /// A weighted batch is the weighted sum of its samples, and tokens can be weighted one by one.
    @Test(arguments: ["llama-tied", "gpt2", "gemma2"])
    func weightsOfSamplesAndTokens(_ name: String) throws {
        let model = try ModelFixture(name: name).model()
        let weights: [Float] = [2, 0, 0.5]
        func loss(_ rows: Tensor, _ weights: Tensor? = nil) -> Double {
            withoutGradient { model.lossSum(tokens: rows, labels: rows, weights: weights).item() }
        }
        let parts = (0..<3).map { Double(weights[$0]) * loss(ids[$0..<$0 + 1]) }
        let whole = loss(ids, Tensor(weights))
        #expect(abs(whole - parts.reduce(0, +)) < 1e-5 * whole)
        let each = Tensor(weights).unsqueeze(-1).expand([3, 8]).contiguous()
        #expect(abs(loss(ids, each) - whole) < 1e-6 * whole)
        #expect(abs(loss(ids, Tensor([1, 1, 1] as [Float])) - loss(ids)) < 1e-5 * loss(ids))
    }

    /// NEFTune: uniform within alpha over the root of length times width, in training alone.
    @Test(arguments: ["llama-tied", "gpt2", "gemma2"])
    func noiseOnEmbeddingsIsForTrainingAlone(_ name: String) throws {
        let model = try ModelFixture(name: name).model()
        func states(_ alpha: Double, isTraining: Bool) -> [Float] {
            var context = SequenceContext(isTraining: isTraining)
            context.embeddingNoise = alpha
            return withoutGradient { model.hiddenStates(ids, context).floats() }
        }
        let plain = states(0, isTraining: false)
        #expect(states(5, isTraining: false) == plain)
        #expect(states(0, isTraining: true) == plain)
        let noisy = states(5, isTraining: true)
        #expect(noisy != plain)
        // Other tests at the same time may set the generator back, though hardly again and again.
        #expect((0..<4).contains { _ in states(5, isTraining: true) != noisy })
        // A thousandth of the noise moves the states by about a thousandth as much.
        let far = largestDifference(noisy, plain)
        let near = largestDifference(states(5e-3, isTraining: true), plain)
        #expect(near > 0 && near < far / 50)
    }

    /// The noise is added to what the embedding layer gives: in Gemma after its scale.
    @Test(arguments: ["llama-tied", "gemma2", "gemma3"])
    func noiseIsAsLargeAsSaid(_ name: String) throws {
        let model = try ModelFixture(name: name).model()
        let scale = name.hasPrefix("gemma") ? Double(model.width).squareRoot() : 1
        let ids = Tensor((0..<20).map { 3 + $0 * 6 }, shape: [1, 20])
        let plain = withoutGradient { model.hiddenStates(ids, SequenceContext()) }
        func distance(_ context: SequenceContext) -> Double {
            withoutGradient { (model.hiddenStates(ids, context) - plain).abs().mean().item() }
        }
        var context = SequenceContext(isTraining: true)
        context.embeddingNoise = 0.1
        let noisy = distance(context)
        // The same by changing the rows that are looked up.
        let noise = Tensor.empty([20, model.width])
        let bound = context.embeddingNoise / Double(20 * model.width).squareRoot() / scale
        Initializer.uniform(bound: bound).fill(noise, name: "noise", seed: 1)
        let table = try #require(model.store["model.embed_tokens.weight"])
        table.value = table.value.indexAdd(0, ids.reshape(-1), source: noise)
        let ratio = noisy / distance(SequenceContext())
        #expect(ratio > 0.6 && ratio < 1.6)
    }
}
