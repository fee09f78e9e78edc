import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import FileTestSupport
import Testing

@Suite struct RotaryTests {
    /// People add `rope_scaling` to a configuration of transformers 5, which has `rope_parameters`:
    /// there and here it is the former that counts.
    @Test func whatWasAddedCounts() throws {
        let fixture = ModelFixture(name: "qwen3")
        let scaling: JSON = [
            "rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0,
        ]
        func logits(_ change: (inout JSONObject) -> Void) throws -> [Float] {
            let folder = try TemporaryFolder(copying: fixture.folder)
            let json = try readJSON(folder / "config.json")
            var config = try #require(json.objectValue)
            change(&config)
            try folder.write("config.json", config)
            let model = try PretrainedModel(path: folder.path).makeModel(dtype: .float32)
            let ids = Tensor([0, 5, 10, 15, 20, 25, 30, 35], shape: [1, 8])
            return withoutGradient { model.hiddenStates(ids, SequenceContext()).floats() }
        }
        let plain = try logits { _ in }
        let added = try logits { $0["rope_scaling"] = scaling }
        let replaced = try logits {
            $0["rope_parameters"] = nil
            $0["rope_scaling"] = scaling
        }
        #expect(added == replaced)
        #expect(added != plain)
    }
}
