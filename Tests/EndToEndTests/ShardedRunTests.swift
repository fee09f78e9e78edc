import ApusBase
import ProgramTestSupport
import Testing

/// One word in a recipe shards a run of real processes, and changes no number.
@Suite struct ShardedRunTests {
    private struct Outcome: Equatable {
        var losses: [Double]
        var norms: [Double]
        var evaluations: [Double]
        var model: String
    }

    private func outcome(_ arguments: String) throws -> Outcome {
        let run = try TinyRun()
        let fixed = "--set gradient_accumulation_steps=1 --set val_set_size=0.1 --set eval_steps=2"
        let result = try run.train("\(fixed) \(arguments)")
        try #require(result.exitCode == 0, "\(result.output)")
        func numbers(_ key: String) throws -> [Double] {
            try run.metrics().compactMap { $0[key]?.doubleValue }
        }
        return Outcome(
            losses: try numbers("loss"), norms: try numbers("grad_norm"),
            evaluations: try numbers("eval_loss"),
            model: try run.shell("sha256sum <out/model.safetensors").output)
    }

    @Test func stagesDifferInNoBit() throws {
        let reference = try outcome("--ranks 2")
        #expect(reference.losses.count == 5 && reference.evaluations.count == 3)
        for sharding in ["optimizer", "gradients", "parameters"] {
            #expect(try outcome("--ranks 2 --set sharding=\(sharding)") == reference)
        }
    }

    /// Two copies of two shards each, and fewer gathers.
    @Test func groupsAndWindowsAreSharded() throws {
        let reference = try outcome("--set micro_batch_size=4")
        let hybrid = try outcome(
            "--ranks 4 --set micro_batch_size=1 --set sharding=parameters "
                + "--set sharding_group_size=2 --set keep_gathered_across_micro_batches=true")
        for (a, b) in zip(hybrid.losses, reference.losses) { #expect(abs(a - b) < 1e-5) }
        #expect(hybrid.losses.count == 5)
    }

    /// An existing DeepSpeed configuration says it all.
    @Test func aDeepSpeedFileShards() throws {
        let run = try TinyRun()
        run.scratch.write(
            "ds.json",
            """
            {"zero_optimization": {"stage": 3}, "gradient_clipping": 1.0,
             "train_micro_batch_size_per_gpu": "auto", "bf16": {"enabled": true}}
            """)
        let arguments = "--ranks 2 --set deepspeed=ds.json --set bf16=true"
        let result = try run.train(arguments + " --set max_steps=2")
        #expect(result.exitCode == 0, "\(result.output)")
        let resolved = try run.text("out/resolved.json")
        #expect(resolved.contains("\"sharding\": \"parameters\""))
        #expect(try run.losses().count == 2)
    }

    @Test func float16IsTrainedWithALossScale() throws {
        let run = try TinyRun()
        let result = try run.train(
            "--ranks 2 --set fp16=true --set sharding=gradients --set max_steps=6 "
                + "--set loss_scaling='{initial_scale_power: 8}'")
        #expect(result.exitCode == 0, "\(result.output)")
        let losses = try run.losses()
        #expect(losses.count == 6 && losses[5] < losses[0])
    }
}
