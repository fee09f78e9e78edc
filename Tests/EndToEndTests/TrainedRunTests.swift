import ApusBase
import ProgramTestSupport
import Testing

/// Runs that end well: what they leave, and what they print.
@Suite struct TrainedRunTests {
    @Test func aRunLeavesWhatItPromises() throws {
        let run = try TinyRun()
        let result = try run.train("--ranks 2 --set val_set_size=0.1 --set eval_steps=2")
        #expect(result.exitCode == 0, "\(result.output)")
        let files = """
            config.json events.jsonl generation_config.json logs loss.svg metrics.jsonl \
            model.safetensors resolved.json
            """
        #expect(try run.shell("echo $(ls out)").output == files + "\n")

        let svg = try run.text("out/loss.svg")
        #expect(svg.hasPrefix("<svg") && svg.contains("held-out loss"))
        let config = try JSON.parse(try run.text("out/config.json"))
        #expect(config["model_type"] == "llama")
        let resolved = try run.text("out/resolved.json")
        #expect(resolved.contains("\"eval_steps\": \"--set eval_steps=2\""))
        for rank in 0..<2 {
            let log = try run.text("out/logs/rank-\(rank).log")
            #expect(log.contains("rank \(rank) of 2: process "))
            #expect(log.hasSuffix("done after step 5\n"))
        }
    }

    @Test func metricsHoldEveryKeyOfEveryStep() throws {
        let run = try TinyRun()
        let arguments = "--ranks 2 --set val_set_size=0.1 --set eval_steps=2"
        #expect(try run.train(arguments).exitCode == 0)
        let metrics = try run.metrics()
        #expect(metrics.map { $0["step"]?.intValue } == [1, 2, 3, 4, 5])
        // Evaluated every second step and after the last.
        #expect(metrics.map { $0["eval_loss"] != nil } == [false, true, false, true, true])
        for line in metrics {
            for key in ["loss", "grad_norm", "tokens_per_second", "step_seconds"] {
                let value = try #require(line[key]?.doubleValue, "\(key) in \(line)")
                #expect(value > 0 && value.isFinite, "\(key) in \(line)")
            }
            let memory = try #require(line["peak_memory_bytes"]?.intValue)
            #expect((1 << 20)...(16 << 30) ~= memory)
        }
        let rates = metrics.map { $0["learning_rate"]?.doubleValue ?? -1 }
        #expect(rates.max() == 1e-2 && rates.allSatisfy { $0 >= 0 })
        let tokens = metrics.map { $0["tokens"]?.intValue ?? 0 }
        let epochs = metrics.map { $0["epoch"]?.doubleValue ?? 0 }
        #expect(tokens == tokens.sorted() && tokens[0] > 0 && tokens[0] < tokens[4])
        // 72 samples are left for training: 9 windows of 8, give or take the rounding of the split.
        #expect(abs(epochs[4] - 5.0 / 9) < 0.01)
        let losses = try run.losses()
        #expect(losses[4] < losses[0] - 0.3)
    }

    @Test func withoutATerminalProgressIsPlainLines() throws {
        let run = try TinyRun()
        let output = try run.train("--set max_steps=2").output
        #expect(output.contains("\nstep 1/2  epoch 0."))
        #expect(output.contains("training: 2 steps on 1 rank, 19.6 k parameters"))
        #expect(output.contains("\n2 steps in "))
        #expect(!output.contains("\u{1B}") && !output.contains("\r"))
    }

    /// The same windows of eight sequences, computed in other pieces.
    @Test func theSplitOfTheWorkDoesNotChangeTheLosses() throws {
        func losses(_ ranks: Int, _ size: Int, _ accumulation: Int) throws -> [Double] {
            let run = try TinyRun()
            let split =
                "--ranks \(ranks) --set micro_batch_size=\(size) "
                + "--set gradient_accumulation_steps=\(accumulation) --set max_steps=20"
            let result = try run.train(split)
            #expect(result.exitCode == 0, "\(result.output)")
            return try run.losses()
        }
        let one = try losses(1, 8, 1)
        #expect(one.count == 20)
        for other in [try losses(2, 4, 1), try losses(1, 2, 4), try losses(2, 1, 4)] {
            #expect(other.count == 20)
            for (a, b) in zip(one, other) { #expect(abs(a - b) < 1e-5 * abs(a)) }
        }
    }

    /// What a run saved is what it had at its end: the next run begins there.
    @Test func aSavedModelIsTrainedFurther() throws {
        let run = try TinyRun()
        #expect(try run.train("--set val_set_size=0.1").exitCode == 0)
        let after = try #require(try run.metrics().last?["eval_loss"]?.doubleValue)
        let further = try run.train(
            "--set val_set_size=0.1 --set base_model=\(run.path)/out --set output_dir=further")
        #expect(further.exitCode == 0, "\(further.output)")
        #expect(further.output.contains("held-out loss \(after.fixed(4)) at step 0"))
    }

    @Test func settingsOverrideTheRecipe() throws {
        let run = try TinyRun()
        let settings =
            "--set max_steps=1 --set optimizer=sgd --set learning_rate=0.5 --set warmup_steps=0"
        #expect(try run.train(settings).exitCode == 0)
        let metrics = try run.metrics()
        #expect(metrics.count == 1)
        #expect(metrics[0]["learning_rate"]?.doubleValue == 0.5)
    }
}
