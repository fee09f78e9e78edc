import ApusBase
import ProgramTestSupport
import Testing

/// What `apus plan` predicts is what real ranks need.
@Suite(.serialized) struct PlannedMemoryTests {
    /// 4.9 million parameters on sequences of 256 tokens.
    private func folder() throws -> Scratch {
        let scratch = try Scratch()
        scratch.write(
            "config.json",
            """
            {"model_type": "llama", "vocab_size": 8192, "hidden_size": 192,
             "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 512}
            """)
        let samples = (0..<8).map { sample in
            let ids = (0..<256).map { String(($0 * 31 + sample * 7) % 8192) }
            return "{\"input_ids\": [\(ids.joined(separator: ", "))]}\n"
        }
        scratch.write("tokens.jsonl", samples.joined())
        scratch.write(
            "r.yaml",
            """
            base_model: .
            datasets: [{path: tokens.jsonl, ds_type: json, type: input_ids}]
            sequence_len: 256
            max_steps: 2
            learning_rate: 1e-4
            ranks: 2
            threads_per_rank: 1
            output_dir: out

            """)
        return scratch
    }

    @Test(arguments: [
        "--set sharding=none", "--set sharding=parameters",
        "--set sharding=gradients --set save_steps=1 --set save_in_background=true",
    ])
    func thePeakIsWithinTenPercentOfThePlan(_ options: String) throws {
        try expectPlannedMemory(in: try folder(), "--set reinit_weights=true \(options)")
    }

    /// Of adapters the plan knows what is trained, and in how many bits the rest is held.
    @Test(arguments: ["lora", "qlora --set load_in_4bit=true"])
    func soIsThatOfAnAdapter(_ adapter: String) throws {
        let scratch = try folder()
        let model = try Program.shell(
            "cd '\(scratch.path)'; apus train r.yaml --set reinit_weights=true --set max_steps=1 "
                + "--set output_dir=base")
        #expect(model.exitCode == 0, "\(model.output)")
        try expectPlannedMemory(
            in: scratch,
            "--set base_model=base --set adapter=\(adapter) --set lora_r=8 --set lora_alpha=8 "
                + "--set lora_target_linear=true")
    }

    private func expectPlannedMemory(in scratch: borrowing Scratch, _ options: String) throws {
        let result = try Program.shell(
            "cd '\(scratch.path)'; apus train r.yaml \(options) && tail -1 out/metrics.jsonl")
        #expect(result.exitCode == 0, "\(result.output)")
        let line = try #require(result.output.split(separator: "\n").last)
        let measured = try #require(try JSON.parse(String(line))["peak_memory_bytes"]?.doubleValue)
        let plan = try Program.shell("cd '\(scratch.path)'; apus plan r.yaml --json \(options)")
        let stages = try #require(try JSON.parse(plan.output)["stages"]?.arrayValue)
        let chosen = try #require(stages.first { $0["is_chosen"] == true })
        let planned = try #require(chosen["total_bytes"]?.doubleValue)
        let off = planned / measured - 1
        #expect(abs(off) < 0.1, "planned \(planned), measured \(measured)")
    }
}
