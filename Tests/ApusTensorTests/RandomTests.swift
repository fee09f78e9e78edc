import ApusBase
import ApusTensor
import ApusTestSupport
import Testing

@Suite(.serialized) struct RandomTests {
    @Test func theSameSeedGivesTheSameNumbers() {
        let a = Tensor.randn([32], generator: Generator(seed: 7))
        let b = Tensor.randn([32], generator: Generator(seed: 7))
        let c = Tensor.randn([32], generator: Generator(seed: 8))
        expectIdentical(a, b)
        #expect(!a.isSame(as: c))
        Generator.seedAll(7)
        let d = Tensor.rand([8])
        Generator.seedAll(7)
        expectIdentical(Tensor.rand([8]), d)
    }

    @Test func aStateContinuesTheSequence() {
        let generator = Generator(seed: 1)
        _ = Tensor.rand([5], generator: generator)
        let state = generator.state
        #expect(state.dtype == .uint8)
        let next = Tensor.rand([5], generator: generator)
        let other = Generator(seed: 2)
        other.state = state
        expectIdentical(Tensor.rand([5], generator: other), next)
        #expect(tensorError { other.state = Tensor.zeros([3], dtype: .uint8) } != nil)
    }

    @Test func aGeneratorLeavesTheDefaultAlone() {
        let before = Generator.defaultState()
        _ = Tensor.randn([4], generator: Generator(seed: 3))
        expectIdentical(Generator.defaultState(), before)
        _ = Tensor.randn([4])
        #expect(!Generator.defaultState().isSame(as: before))
        Generator.setDefaultState(before)
        expectIdentical(Generator.defaultState(), before)
    }

    @Test func distributionsAreWhatTheySay() {
        let g = Generator(seed: 11)
        let uniform = Tensor.rand([20000], generator: g)
        #expect(uniform.min().item() >= 0 && uniform.max().item() < 1)
        #expect(abs(uniform.mean().item() - 0.5) < 0.02)
        let normal = Tensor.empty([20000])
        normal.fillNormalInPlace(mean: 3, standardDeviation: 2, generator: g)
        #expect(abs(normal.mean().item() - 3) < 0.06)
        #expect(abs(normal.standardDeviation().item() - 2) < 0.05)
        let range = Tensor.empty([20000], dtype: .float64)
        range.fillUniformInPlace(-2..<4, generator: g)
        #expect(abs(range.mean().item() - 1) < 0.05 && range.min().item() >= -2)
        let coins = Tensor.empty([20000])
        coins.fillBernoulliInPlace(0.25, generator: g)
        #expect(abs(coins.mean().item() - 0.25) < 0.02)
        let dice = Tensor.randomIntegers(1..<7, [20000], generator: g)
        #expect(dice.dtype == .int64)
        #expect(dice.unique().values.ints() == [1, 2, 3, 4, 5, 6])
        let order = Tensor.randomPermutation(50, generator: g)
        #expect(!order.isSame(as: Tensor.arange(50, dtype: .int64)))
        #expect(order.sorted().values.isSame(as: Tensor.arange(50, dtype: .int64)))
    }

    @Test func drawsByWeight() {
        let weights = Tensor([0, 3, 1, 0] as [Float])
        let draws = weights.multinomial(4000, replacement: true, generator: Generator(seed: 4))
        let counts = draws.binCount(minimumLength: 4).ints()
        #expect(counts[0] == 0 && counts[3] == 0)
        #expect(abs(Double(counts[1]) / 4000 - 0.75) < 0.05)
        let both = weights.multinomial(2, generator: Generator(seed: 4)).sorted().values
        #expect(both.ints() == [1, 2])
        #expect(tensorError { _ = weights.multinomial(5) } != nil)
    }
}
