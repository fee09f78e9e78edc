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

    @Test func modelsThatNobodyKnowsAreNamed() {
        let error = #expect(throws: FileError.self) {
            try ModelOutline(configuration: ["model_type": "rwkv"], path: "m/config.json")
        }
        #expect(error?.description.contains("m/config.json: holds a model of type 'rwkv'") == true)
    }
}
