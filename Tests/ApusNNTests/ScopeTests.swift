import ApusBase
import ApusNN
import ApusTensor
import Testing

/// Parameters through scopes: names, units, decay, initial values.
@Suite struct ScopeTests {
    @Test func namesAndUnitsFollowThePath() {
        let store = ParameterStore()
        let layer = store.root["model"]["layers"][3].asUnit()
        let linear = Linear(4, 2, bias: true, in: layer["mlp"]["up_proj"])
        let norm = RMSNorm(4, epsilon: 1e-5, in: store.root["norm"].inUnit(of: layer))
        let outer = Embedding(8, 4, in: store.root["embed"])
        #expect(linear.weight.name == "model.layers.3.mlp.up_proj.weight")
        #expect(linear.weight.shape == [2, 4])
        #expect(linear.bias?.spec.unit == 1)
        #expect(norm.weight.spec.unit == 1)
        #expect(outer.weight.spec.unit == 0)
        #expect(store.units.map(\.name) == ["root", "model.layers.3"])
        #expect(store.parameters.count == 4)
        #expect(store.elementCount == 8 + 2 + 4 + 32)
        #expect(store["norm.weight"] === norm.weight)
    }

    @Test func matricesDecayAndVectorsDoNot() {
        let store = ParameterStore()
        let linear = Linear(4, 2, bias: true, in: store.root["a"])
        let norm = LayerNorm(4, epsilon: 1e-5, in: store.root["b"])
        #expect(linear.weight.spec.decays)
        #expect(linear.bias?.spec.decays == false)
        #expect(!norm.weight.spec.decays && !norm.bias.spec.decays)
    }

    /// The same numbers whatever else is declared, and in whatever order.
    @Test func initialValuesDependOnNameAndSeedAlone() throws {
        func values(_ names: [String], seed: UInt64) throws -> [Float] {
            let store = ParameterStore()
            for name in names { _ = Linear(8, 8, bias: false, in: store.root[name]) }
            store.allocate(dtype: .float32)
            store.initialize(seed: seed)
            return try #require(store["x.weight"]).value.floats()
        }
        let alone = try values(["x"], seed: 1)
        #expect(try values(["y", "x", "z"], seed: 1) == alone)
        #expect(try values(["x"], seed: 2) != alone)
        #expect(Set(alone).count > 32)
    }

    @Test func layersComputeWhatTheirFormulasSay() {
        let store = ParameterStore()
        let linear = Linear(2, 2, bias: true, in: store.root["linear"])
        let conv = Conv1D(2, 3, initializer: .zeros, in: store.root["conv"])
        let rms = RMSNorm(2, epsilon: 0, in: store.root["rms"])
        let layer = LayerNorm(2, epsilon: 0, in: store.root["layer"])
        store.allocate(dtype: .float32)
        linear.weight.value = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
        linear.bias?.value = Tensor([10, 20] as [Float])
        conv.weight.value = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
        conv.bias.value = Tensor([0, 0, 1] as [Float])
        rms.weight.value = Tensor([1, 2] as [Float])
        layer.weight.value = Tensor([1, 1] as [Float])
        layer.bias.value = Tensor([0, 5] as [Float])
        let x = Tensor([3, 4] as [Float], shape: [1, 2])
        #expect(linear(x).floats() == [21, 45])
        #expect(conv(x).floats() == [19, 26, 34])
        let root = Float(12.5).squareRoot()
        for (a, b) in zip(rms(x).floats(), [3 / root, 8 / root]) { #expect(abs(a - b) < 1e-6) }
        #expect(layer(x).floats() == [-1, 6])
    }
}
