import ApusBase
import ProgramTestSupport
import Testing

/// `apus plan` as a user meets it.
@Suite struct PlanCommandTests {
    /// A folder with the recipe of a Llama that has no weights, only a config.json.
    private func plan(_ arguments: String, layers: Int = 16) throws -> Program.Result {
        let scratch = try Scratch()
        scratch.write(
            "config.json",
            """
            {"model_type": "llama", "vocab_size": 8192, "hidden_size": 768,
             "num_hidden_layers": \(layers), "num_attention_heads": 12, "intermediate_size": 2048}
            """)
        scratch.write(
            "r.yaml",
            """
            base_model: .
            reinit_weights: true
            datasets: [{path: /dev/null, ds_type: text}]
            learning_rate: 1e-4
            sequence_len: 256
            ranks: 4
            """)
        return try Program.shell("cd '\(scratch.path)'; apus plan r.yaml \(arguments)")
    }

    @Test func everyStageIsShownAndTheChosenOneMarked() throws {
        let result = try plan("--set sharding=gradients")
        #expect(result.exitCode == 0, "\(result.output)")
        #expect(result.output.hasPrefix("r.yaml: 125.9 M parameters, ranks: 4, at most 256 tokens"))
        let lines = result.output.split(separator: "\n").map { $0.split(separator: " ") }
        let head = try #require(lines.first { $0.first == "sharding" })
        #expect(head.dropFirst() == ["none", "optimizer", "[gradients]", "parameters"])
        let moments = try #require(lines.first { $0.first == "moments" })
        #expect(moments.dropFirst() == ["960", "240", "240", "240"])
        #expect(lines.contains { $0.first == "fits" })
    }

    @Test func theObjectHoldsTheSameInBytes() throws {
        let json = try JSON.parse(try plan("--json --set bf16=true").output)
        #expect(json["ranks"] == 4)
        let stages = try #require(json["stages"]?.arrayValue)
        #expect(stages.map { $0["stage"]?.intValue } == [0, 1, 2, 3])
        #expect(stages.map { $0["is_chosen"]?.boolValue } == [true, false, false, false])
        for stage in stages {
            let kinds = try #require(stage["bytes_per_rank"]?.objectValue).members
            let sum = kinds.reduce(0) { $0 + ($1.value.intValue ?? 0) }
            #expect(sum == stage["total_bytes"]?.intValue)
        }
    }

    @Test func whatDoesNotFitComesWithAdvice() throws {
        let result = try plan("--set micro_batch_size=256", layers: 400)
        #expect(result.output.contains("\ndoes not fit"), "\(result.output)")
    }

    @Test func modelsThatAreNotThereAreMessages() throws {
        let result = try plan("--set base_model=/dev/null")
        #expect(result.exitCode == 1)
        #expect(result.output.hasPrefix("apus: /dev/null: "))
    }
}
