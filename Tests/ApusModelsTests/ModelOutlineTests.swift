import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusShard
import Testing

/// What the plan thinks of a model's size is what the model declares.
@Suite struct ModelOutlineTests {
    @Test(arguments: ModelFixture.all)
    func unitsHaveTheModelsParameters(_ fixture: ModelFixture) throws {
        let path = FilePaths.join(fixture.folder, "config.json")
        let outline = try ModelOutline(configuration: try readJSON(path), path: path)
        let store = try ModelFamily(configuration: try readJSON(path), path: path).makeModel().store
        let declared = store.units.map { unit in
            store.parameters.filter { $0.spec.unit == unit.index }
                .reduce(0) { $0 + $1.spec.elementCount }
        }.filter { $0 > 0 }
        #expect(outline.units == declared)
        #expect(outline.parameterCount == store.elementCount)
    }

    /// With the targets that PEFT takes, with all linear layers, and in 4 bits.
    @Test(arguments: ModelFixture.all)
    func adaptersHaveTheModelsParameters(_ fixture: ModelFixture) throws {
        let path = FilePaths.join(fixture.folder, "config.json")
        let outline = try ModelOutline(configuration: try readJSON(path), path: path)
        for (targets, bits, usesDoRA) in [
            (LoRAConfiguration.Modules?.none, Double?.none, false), (.allLinear, nil, true),
            (.allLinear, 4.5, false),
        ] {
            var configuration = LoRAConfiguration()
            configuration.rank = 3
            configuration.targets = targets
            configuration.usesDoRA = usesDoRA
            var adapter = AdapterOutline()
            adapter.rank = 3
            adapter.targets = targets == nil ? .usual : .allLinear
            adapter.isWeightDecomposed = usesDoRA
            adapter.quantizedBits = bits
            let store = try AdaptedModel(
                PretrainedModel(path: fixture.folder), configuration,
                quantization: bits == nil ? nil : .nf4(doubleQuantized: false)
            ).model.store
            var declared = ModelOutline.Holding()
            for parameter in store.parameters {
                if parameter.spec.isTrainable {
                    declared.trained += parameter.spec.elementCount
                } else {
                    declared.frozen += parameter.spec.elementCount
                }
            }
            declared.quantized = store.quantized.reduce(0) { $0 + $1.spec.elementCount }
            var planned = ModelOutline.Holding()
            for unit in outline.holdings(adapter) {
                planned.trained += unit.trained
                planned.frozen += unit.frozen
                planned.quantized += unit.quantized
            }
            #expect(planned == declared, "\(adapter.targets), bits: \(String(describing: bits))")
        }
    }

    @Test func modelsThatNobodyKnowsAreNamed() {
        let error = #expect(throws: FileError.self) {
            try ModelOutline(configuration: ["model_type": "rwkv"], path: "m/config.json")
        }
        #expect(error?.description.contains("m/config.json: holds a model of type 'rwkv'") == true)
    }
}
