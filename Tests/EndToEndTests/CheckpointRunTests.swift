import ApusBase
import ProgramTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Runs that are stopped, killed and taken up again.
@Suite struct CheckpointRunTests {
    private struct Line: Equatable {
        let step: Int
        let loss, gradientNorm, rate: Double
        let tokens: Int
    }

    private static func lines(_ run: borrowing TinyRun, _ folder: String) throws -> [Line] {
        try run.text("\(folder)/metrics.jsonl").split(separator: "\n").map { text in
            let json = try JSON.parse(String(text))
            func number(_ key: String) throws -> Double { try #require(json[key]?.doubleValue) }
            return Line(
                step: Int(try number("step")), loss: try number("loss"),
                gradientNorm: try number("grad_norm"), rate: try number("learning_rate"),
                tokens: Int(try number("tokens")))
        }
    }

    /// Twelve steps equal six and six more: every figure, and the bytes of the model. The windows
    /// of 3 x 2 x 2 sequences end with a short one in each epoch, whichever side of the save.
    @Test(arguments: [
        "--ranks 2", "--ranks 2 --set bf16=true", "--ranks 2 --set save_in_background=true",
        "--ranks 1 --set sample_packing=true --set micro_batch_size=3",
        "--ranks 2 --set base_model=dropout --set optimizer=lion",
        "--ranks 3 --set optimizer=adafactor --set gradient_accumulation_steps=1",
    ])
    func goingOnChangesNothing(_ arguments: String) throws {
        let run = try TinyRun()
        let model = TinyRun.fixture("ApusModelsTests/Fixtures/models/gpt2")
        _ = try run.shell(
            """
            cp -r '\(model)' dropout; chmod -R u+w dropout
            sed -i 's/"\\(attn\\|embd\\|resid\\)_pdrop": [0-9.]*/"\\1_pdrop": 0.2/' \\
                dropout/config.json
            """)
        let settings = "--set max_steps=12 --set save_steps=6 \(arguments)"
        let whole = try run.train(settings)
        #expect(whole.exitCode == 0, "\(whole.output)")
        #expect(whole.output.contains("saved \(run.path)/out/checkpoint-6\n"))
        let again = try run.train(
            settings + " --set output_dir=again --set resume=out/checkpoint-6")
        #expect(again.exitCode == 0, "\(again.output)")
        #expect(again.output.contains("resumed from out/checkpoint-6, step 6: weight "))
        #expect(!again.output.contains("warning"), "\(again.output)")
        let lines = try Self.lines(run, "out")
        #expect(lines.count == 12)
        #expect(try Self.lines(run, "again") == Array(lines.suffix(6)))
        let same = try run.shell("cmp out/model.safetensors again/model.safetensors")
        #expect(same.exitCode == 0, "\(same.output)")
    }

    /// Another number of ranks deals the same sequences: the same losses but for rounding.
    @Test func otherRanksGoOnWithTheSameNumbers() throws {
        let run = try TinyRun()
        let settings = "--set max_steps=12 --set save_steps=6"
        let whole = try run.train(settings + " --ranks 2")
        #expect(whole.exitCode == 0, "\(whole.output)")
        let others = "--ranks 4 --oversubscribe --set micro_batch_size=1"
        let again = try run.train(
            "\(settings) \(others) --set output_dir=again --set resume=out/checkpoint-6")
        #expect(again.exitCode == 0, "\(again.output)")
        let warning = "the recipe is not the checkpoint's: micro_batch_size 2 -> 1"
        #expect(again.output.contains(warning), "\(again.output)")
        #expect(again.output.contains("2 ranks saved their random generators, 4 go on"))
        for (line, wanted) in zip(try Self.lines(run, "again"), try Self.lines(run, "out")[6...]) {
            #expect(line.step == wanted.step && line.tokens == wanted.tokens)
            #expect(abs(line.loss - wanted.loss) < 1e-5 * wanted.loss, "step \(line.step)")
        }
    }

    @Test(arguments: ["INT", "TERM", "USR1"])
    func aSignalSavesAndTheSameCommandGoesOn(_ signal: String) throws {
        let run = try TinyRun()
        let first = try run.interrupt(by: "kill -\(signal) $launcher")
        #expect(first.exitCode == 85, "\(first.output)")
        #expect(first.output.contains("apus: stopped by SIG\(signal) after step "))
        #expect(first.output.contains("the same command goes on from there"))
        let steps = try Self.lines(run, "out").count
        #expect(try run.text("out/latest") == "checkpoint-\(steps)\n")
        // This time it comes to a rank itself, as from a batch system.
        let second = try run.interrupt(
            by: """
                for i in $(seq 600); do [ $(steps) -gt \(steps + 1) ] && break; sleep 0.05; done
                kill -\(signal) $(pid 1)
                """)
        #expect(second.exitCode == 85, "\(second.output)")
        #expect(second.output.contains("resumed from \(run.path)/out/checkpoint-\(steps), step"))
        let all = try Self.lines(run, "out").map(\.step)
        #expect(all == Array(1...all.count) && all.count > steps)
        let verified = try run.shell("apus checkpoint verify out")
        #expect(verified.exitCode == 0, "\(verified.output)")
    }

    /// SIGKILL at seeded moments of a run that saves after every step, to one rank or all: what the
    /// run ends with is what it would have been. APUS_KILLS sets how often.
    @Test func killedRunsEndWithTheSameNumbers() throws {
        let kills = getenv("APUS_KILLS").flatMap { Int(String(cString: $0)) } ?? 4
        let run = try TinyRun()
        let settings = "--set max_steps=\(40 + kills * 20) --set save_steps=1"
        let whole = try run.train("\(settings) --ranks 2 --set output_dir=whole")
        #expect(whole.exitCode == 0, "\(whole.output)")
        var random = SplitMix64(seed: 11)
        let limited = "\(settings) --set save_total_limit=2 --ranks 2"
        for kill in 0..<kills {
            let background = Bool.random(using: &random)
            let victim = ["$rank0", "$rank1", "$launcher"].randomElement(using: &random)!
            let counted = try run.shell("cat out/metrics.jsonl 2>/dev/null | wc -l").output
            let before = Int(counted.filter(\.isNumber)) ?? 0
            let delay = Double.random(in: 0...0.1, using: &random)
            let result = try run.shell(
                """
                "$APUS" train r.yaml \(limited) --set save_in_background=\(background) \
                    >printed 2>&1 & launcher=$!
                steps() { cat out/metrics.jsonl 2>/dev/null | wc -l; }
                pid() { sed -n 's/.*: process \\([0-9]*\\),.*/\\1/p' out/logs/rank-$1.log; }
                for i in $(seq 2000); do
                    [ "$(steps)" -ge \(before + 4) ] && break
                    kill -0 $launcher 2>/dev/null || break
                    sleep 0.01
                done
                rank0=$(pid 0); rank1=$(pid 1); sleep \(delay)
                kill -KILL \(victim); wait $launcher
                for i in $(seq 100); do [ "$(left)" ] || break; sleep 0.05; done
                cat printed
                """)
            let verified = try run.shell("apus checkpoint verify out")
            #expect(verified.exitCode == 0, "\(kill): \(verified.output) \(result.output)")
        }
        let last = try run.train(limited)
        #expect(last.exitCode == 0, "\(last.output)")
        #expect(last.output.contains("resumed from"))
        let events = try run.text("out/events.jsonl").split(separator: "\n")
        #expect(throws: Never.self) { try events.map { try JSON.parse(String($0)) } }
        #expect(try Self.lines(run, "out") == Self.lines(run, "whole"))
        let same = try run.shell("cmp out/model.safetensors whole/model.safetensors")
        #expect(same.exitCode == 0, "\(same.output)")
    }

    @Test(arguments: [
        ("--set resume=must", "'resume: must', but "),
        ("--set resume_from_checkpoint=nowhere", "'resume: nowhere', but there is no checkpoint"),
        ("--set save_strategy=steps", "'save_strategy: steps' needs an interval"),
        ("--set load_best_model_at_end=true --set save_steps=2", "nothing is held out"),
        ("--set save_steps=2 --set saves_per_epoch=1", "exclude each other"),
    ])
    func impossibleWishes(_ arguments: String, _ expected: String) throws {
        let run = try TinyRun()
        let result = try run.train(arguments)
        #expect(result.exitCode == 1)
        #expect(result.output.contains(expected), "\(result.output)")
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let run = try TinyRun()
        #expect(try run.train("--set save_steps=3").exitCode == 0)
        let model = TinyRun.fixture("ApusModelsTests/Fixtures/models/llama-untied")
        let other = try run.train("--set base_model=\(model) --set max_steps=9")
        #expect(other.exitCode == 1)
        #expect(other.output.contains("checkpoint-5 does not fit the run: "), "\(other.output)")
        #expect(other.output.contains("missing: "))
        let data = try run.train("--set val_set_size=0.2 --set max_steps=9")
        #expect(data.output.contains("the data set is not the one"), "\(data.output)")
        _ = try run.shell("printf x | dd of=out/checkpoint-5/trainer.json conv=notrunc 2>&1")
        let damaged = try run.train("--set max_steps=9")
        #expect(damaged.exitCode == 1)
        #expect(
            damaged.output.contains("out/checkpoint-5/trainer.json: offset 0: the "),
            "\(damaged.output)")
    }

    @Test func twoJobsInOneFolder() throws {
        let run = try TinyRun()
        let result = try run.interrupt(
            by: "\"$APUS\" train r.yaml > second 2>&1; kill -TERM $launcher")
        #expect(result.exitCode == 85, "\(result.output)")
        let second = try run.text("second")
        #expect(second.contains("another job saves its checkpoints here"), "\(second)")
    }

    @Test(arguments: [
        "--ranks 1", "--ranks 2 --set sharding=gradients", "--ranks 2 --set sharding=parameters",
    ])
    func theBestCheckpointIsWhatTheRunEndsWith(_ arguments: String) throws {
        let run = try TinyRun()
        // A rate at which the later steps are worse.
        let result = try run.train(
            """
            \(arguments) --set max_steps=12 --set save_steps=2 \
            --set val_set_size=0.2 --set save_total_limit=1 \
            --set load_best_model_at_end=true --set learning_rate=1 --set lr_scheduler=constant
            """)
        #expect(result.exitCode == 0, "\(result.output)")
        let saved = try run.metrics().filter { ($0["step"]?.intValue ?? 1).isMultiple(of: 2) }
        func loss(_ line: JSON) -> Double { line["eval_loss"]?.doubleValue ?? .infinity }
        let best = try #require(saved.min { loss($0) < loss($1) })
        let step = try #require(best["step"]?.intValue)
        let note = "the best checkpoint is \(run.path)/out/checkpoint-\(step), "
        #expect(result.output.contains(note), "\(result.output)")
        let same = try run.shell(
            """
            apus checkpoint export out/checkpoint-\(step) best --dtype fp32 &&
            cmp best/model.safetensors out/model.safetensors; ls -d out/checkpoint-*
            """)
        #expect(same.exitCode == 0, "\(same.output)")
        #expect(same.output.contains("out/checkpoint-\(step)\n") && same.output.contains("-12\n"))
    }

    /// Checkpoints of another run in the folder are not this one's, however good they are.
    @Test func theBestCheckpointIsOneOfTheRun() throws {
        let run = try TinyRun()
        let options =
            "--set val_set_size=0.2 --set save_steps=2 --set load_best_model_at_end=true "
            + "--set lr_scheduler=constant"
        let long = try run.train("\(options) --set max_steps=12")
        #expect(long.exitCode == 0, "\(long.output)")
        let short = try run.train(
            "\(options) --set max_steps=4 --set learning_rate=1e-6 --set resume=none")
        #expect(short.exitCode == 0, "\(short.output)")
        let lines = short.output.split(separator: "\n")
        let best = lines.first { $0.contains("the best checkpoint is") }
        #expect(best?.contains("checkpoint-2,") == true || best?.contains("checkpoint-4,") == true)
    }

    /// Weights, tokenizer and configuration of a checkpoint as the folder that the run itself
    /// writes.
    @Test func anExportIsTheModelOfTheRun() throws {
        let run = try TinyRun()
        #expect(try run.train("--set save_steps=5 --ranks 2").exitCode == 0)
        let result = try run.shell(
            """
            apus checkpoint export out hf --dtype fp32 && apus checkpoint inspect out --json &&
            cmp hf/model.safetensors out/model.safetensors && cmp hf/config.json out/config.json &&
            apus checkpoint reshard out three --ranks 3 && apus checkpoint verify three &&
            apus checkpoint export three hf3 --max-shard-size 20kB && ls hf3 &&
            apus train r.yaml --set base_model=hf3 --set output_dir=further --set max_steps=1
            """)
        #expect(result.exitCode == 0, "\(result.output)")
        #expect(result.output.contains("\"step\": 5"))
        #expect(result.output.contains("model-00001-of-0000"), "\(result.output)")
    }

    /// Straight out of the parts of two ranks, or by way of a folder: the same file.
    @Test func aGGUFFileIsThatOfTheExportedFolder() throws {
        let run = try TinyRun()
        let model = TinyRun.fixture("ApusExportTests/Goldens/llama")
        let settings = "--set max_steps=2 --set save_steps=2 --ranks 2"
        let trained = try run.train("--set base_model='\(model)' \(settings)")
        #expect(trained.exitCode == 0, "\(trained.output)")
        let result = try run.shell(
            """
            name=$(cat out/latest) && apus checkpoint export out $name --dtype fp32 &&
            apus checkpoint export out direct.gguf --to gguf --type q8_0 &&
            apus export $name folder.gguf --type q8_0 && cmp direct.gguf folder.gguf
            """)
        #expect(result.exitCode == 0, "\(result.output)")
        #expect(result.output.contains("direct.gguf: written\n"))
    }
}
