import ApusBase
import ProgramTestSupport
import Testing

/// What a run that goes on from a checkpoint leaves behind, and adapters that go on.
@Suite struct ResumedRunTests {
    private func events(_ run: borrowing TinyRun) throws -> [JSON] {
        try run.text("out/events.jsonl").split(separator: "\n").map { try JSON.parse(String($0)) }
    }

    /// The steps that count: a resumption takes back what was reported of later ones.
    private func steps(_ events: [JSON]) -> [Int] {
        var steps: [Int] = []
        for event in events {
            guard let step = event["step"]?.intValue else { continue }
            if event["event"] == "step" { steps.append(step) }
            if event["event"] == "resumed" { steps.removeAll { $0 > step } }
        }
        return steps
    }

    /// Six steps, and from the fourth on six others: the history has all ten once.
    @Test func theHistoryStaysWhole() throws {
        let run = try TinyRun()
        let settings = "--set save_steps=4 --set lr_scheduler=constant"
        let whole = try run.train("\(settings) --set max_steps=10 --set output_dir=whole")
        #expect(whole.exitCode == 0, "\(whole.output)")
        #expect(try run.train("\(settings) --set max_steps=6").exitCode == 0)
        let again = try run.train("\(settings) --set max_steps=10 --set resume=out/checkpoint-4")
        #expect(again.exitCode == 0, "\(again.output)")
        #expect(again.output.contains("resumed from out/checkpoint-4, step 4: weight "))

        let history = try events(run)
        let names = history.compactMap { $0["event"]?.stringValue }
        #expect(names.filter { $0 == "step" }.count == 12)
        #expect(names.filter { $0 == "start" }.count == 2)
        let resumed = try #require(history.first { $0["event"] == "resumed" })
        #expect(resumed["step"] == 4 && resumed["path"] == "out/checkpoint-4")
        #expect(steps(history) == Array(1...10))
        let metrics = try run.metrics().compactMap { $0["step"]?.intValue }
        #expect(metrics == Array(1...10))
        let picture = try run.shell("cmp out/loss.svg whole/loss.svg")
        #expect(picture.exitCode == 0, "\(picture.output)")

        // A start that fails takes nothing away; one from the beginning does.
        let failed = try run.shell(
            "sed 's/- path: .*/- path: nowhere/' r.yaml > bad.yaml; apus train bad.yaml")
        #expect(failed.exitCode == 1 && failed.output.contains("nowhere"), "\(failed.output)")
        #expect(steps(try events(run)) == Array(1...10))
        #expect(try run.train("--set max_steps=2 --set resume=none").exitCode == 0)
        #expect(steps(try events(run)) == [1, 2])
    }

    /// After three steps of the HuggingFace trainer, three more are those of PyTorch.
    @Test func aRunGoesOnFromAnotherProgramsCheckpoint() throws {
        let run = try TinyRun()
        let fixture = TinyRun.fixture("ApusCheckpointTests/Fixtures/trainer-llama")
        run.scratch.write(
            "tokens.jsonl", String(repeating: "{\"input_ids\": [1, 2, 3, 4, 5, 6]}\n", count: 8))
        let imported = try run.shell(
            """
            sed -i 's/- path: .*/- path: tokens.jsonl/' r.yaml
            apus checkpoint import '\(fixture)' ck && apus checkpoint export ck hf && ls hf
            """)
        #expect(imported.exitCode == 0, "\(imported.output)")
        #expect(imported.output.contains("config.json\n"), "\(imported.output)")
        let result = try run.train(
            """
            --ranks 2 --set base_model=\(fixture) --set resume=ck --set max_steps=6 \
            --set micro_batch_size=1 --set gradient_accumulation_steps=1 --set weight_decay=0.1 \
            --set lr_scheduler=constant --set warmup_steps=0
            """)
        #expect(result.exitCode == 0, "\(result.output)")
        let restored = "resumed from ck, step 3: weight 20, firstMoment 20, secondMoment 20\n"
        #expect(result.output.contains(restored), "\(result.output)")
        #expect(result.output.contains("keeps no place in the data and no random generators"))
        let steps = try run.metrics()
        #expect(steps.compactMap { $0["step"]?.intValue } == [4, 5, 6])
        let text = try run.text(fixture + "/continued.json")
        let expected = try #require(try JSON.parse(text).arrayValue)
        #expect(expected.count == 3)
        for (step, wanted) in zip(steps, expected) {
            for key in ["loss", "grad_norm"] {
                let (value, golden) = (step[key]?.doubleValue ?? .nan, wanted[key]?.doubleValue)
                let target = try #require(golden)
                #expect(abs(value - target) < 1e-5 * target, "\(key)")
            }
        }
    }

    /// Forty steps of an adapter equal twenty and twenty more, bit for bit.
    @Test(arguments: [
        "lora --ranks 1", "lora --ranks 2 --set sharding=parameters --set lora_dropout=0.1",
        "lora --ranks 2 --set bf16=true --set peft_use_dora=true", "qlora --ranks 1",
        "qlora --ranks 2 --set sharding=gradients",
    ])
    func adaptersGoOnBitForBit(_ arguments: String) throws {
        let run = try TinyRun()
        let settings = """
            --set lora_r=4 --set lora_alpha=8 --set lora_target_linear=true --set max_steps=40 \
            --set save_steps=20 --set adapter=\(arguments)
            """
        let whole = try run.train(settings)
        #expect(whole.exitCode == 0, "\(whole.output)")
        let again = try run.train(
            "\(settings) --set output_dir=again --set resume=out/checkpoint-20")
        #expect(again.exitCode == 0, "\(again.output)")
        #expect(!again.output.contains("warning"), "\(again.output)")
        let same = try run.shell(
            """
            losses() { sed 's/, "tokens_per_second".*//' $1/metrics.jsonl; }
            losses out | tail -20 > a; losses again > b; wc -l < b; cmp a b &&
            cmp out/adapter_model.safetensors again/adapter_model.safetensors
            """)
        #expect(same.exitCode == 0 && same.output == "20\n", "\(same.output)")
    }
}
