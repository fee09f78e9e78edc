import ApusBase
import ProgramTestSupport
import Testing

/// Recipes with adapters, through the real program.
@Suite struct AdapterRunTests {
    private let lora = """
        --set adapter=lora --set lora_r=4 --set lora_alpha=8 --set lora_target_linear=true
        """

    private static let rare = """
        --set loraplus_lr_ratio=4 --set peft.loftq_config.loftq_bits=8 \\
        --set 'peft_trainable_token_indices=[5, 9, 11]' --set peft_use_dora=true \\
        --set 'peft_layer_replication=[[0, 1], [0, 2]]'
        """

    /// The tensors of an adapter, as text: names and values.
    private func weights(_ run: borrowing TinyRun, _ folder: String) throws -> String {
        try run.shell("cat \(folder)/adapter_model.safetensors | od -An -tx1 | cksum").output
    }

    @Test func anAdapterIsTrainedWrittenAndMerged() throws {
        let run = try TinyRun()
        let result = try run.train("--ranks 2 \(lora)")
        #expect(result.exitCode == 0, "\(result.output)")
        let listing = try run.shell("ls out").output
        #expect(listing.contains("adapter_config.json"))
        #expect(listing.contains("adapter_model.safetensors"))
        #expect(!listing.contains("model.safetensors\nmodel"))
        let config = try JSON.parse(try run.shell("cat out/adapter_config.json").output)
        #expect(config["r"] == 4)
        #expect(config["peft_type"] == "LORA")
        #expect(config["target_modules"]?.arrayValue?.count == 14)

        let merged = try run.shell("apus adapter merge out --output merged && ls merged")
        #expect(merged.exitCode == 0, "\(merged.output)")
        #expect(merged.output.contains("config.json"))
        for same in ["--output out", "--base merged --output merged/."] {
            let refused = try run.shell("apus adapter merge out \(same)")
            #expect(refused.exitCode == 1)
            #expect(refused.output.contains("is what is read"), "\(refused.output)")
        }
        // What was merged can be trained on, and what was taken out again has the base's size.
        let back = try run.shell(
            """
            apus adapter unmerge out --base merged --output base
            wc -c < base/model.safetensors
            """)
        #expect(back.exitCode == 0, "\(back.output)")
        let size = try run.shell("wc -c < '\(TinyRun.model)/model.safetensors'").output
        #expect(back.output.hasSuffix(size))
    }

    /// The same steps on one rank and on two that share out what they hold.
    @Test(arguments: [
        ("lora", "none"), ("lora", "gradients"), ("lora", "parameters"), ("qlora", "parameters"),
        ("lora \(Self.rare)", "parameters"),
    ])
    func ranksChangeNothing(_ kind: String, _ sharding: String) throws {
        let run = try TinyRun()
        let settings = lora.replacing("adapter=lora", with: "adapter=\(kind)")
        func losses(_ arguments: String) throws -> [Double] {
            let result = try run.train("\(settings) \(arguments)")
            #expect(result.exitCode == 0, "\(result.output)")
            let lines = try run.shell("cat out/metrics.jsonl").output
            return try lines.split(separator: "\n").compactMap {
                try JSON.parse(String($0))["loss"]?.doubleValue
            }
        }
        let alone = try losses("--ranks 1")
        let two = try losses(
            "--ranks 2 --set gradient_accumulation_steps=1 --set sharding=\(sharding)")
        #expect(alone.count == 5)
        for (a, b) in zip(alone, two) { #expect(abs(a - b) < 1e-5 * a) }
        #expect(alone[4] != alone[0])
    }

    @Test func trainingGoesOnFromAnAdapter() throws {
        let run = try TinyRun()
        _ = try run.train(lora)
        let first = try weights(run, "out")
        let again = try run.train(
            "--set adapter=lora --set lora_model_dir=out --set output_dir=more")
        #expect(again.exitCode == 0, "\(again.output)")
        #expect(try weights(run, "more") != first)
    }

    @Test(arguments: [
        ("--set adapter=lora --set lora_alpha=8", "'lora_r' is missing"),
        ("--set lora_r=8", "'lora_r' without 'adapter'"),
        ("--set adapter=lora --set lora_r=2 --set lora_alpha=2 --set lora_target_modules=c_attn",
            "no layer of the model matches c_attn"),
    ])
    func whatCannotBeIsSaidBeforehand(_ arguments: String, _ message: String) throws {
        let run = try TinyRun()
        let result = try run.train(arguments)
        #expect(result.exitCode != 0)
        #expect(result.output.contains(message), "\(result.output)")
    }

    @Test func adaptersThatDoNotFit() throws {
        let run = try TinyRun()
        let result = try run.shell("apus adapter merge /nowhere --output merged")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("adapter_config.json"))
    }
}
