import ApusBase
import ProgramTestSupport
import Testing

/// Recipes whose adapters begin by data, through the real program.
@Suite struct BeginningRunTests {
    private static let lora = """
        --set adapter=lora --set lora_r=4 --set lora_alpha=8 --set lora_target_linear=true
        """
    private static let eva = "--set peft_init_lora_weights=eva --set peft.eva_config.tau=0.8"
    private static let corda = "--set peft_init_lora_weights=corda --set peft_init_steps=6"
    private static let loraGA = """
        --set peft_init_lora_weights=lora_ga --set peft.lora_ga_config.direction=random \\
        --set peft_init_steps=3
        """

    private func adapter(_ run: borrowing TinyRun, _ folder: String) throws -> String {
        try run.shell("cat \(folder)/adapter_* | od -An -tx1 | cksum").output
    }

    /// Six steps are the same as three and, out of a checkpoint, three more.
    @Test(arguments: [eva, corda, loraGA])
    func aRunThatGoesOnBeginsOnce(_ beginning: String) throws {
        let run = try TinyRun()
        let settings = "\(Self.lora) \(beginning) --set max_steps=6 --set save_steps=3"
        let whole = try run.train("\(settings) --set output_dir=whole")
        #expect(whole.exitCode == 0, "\(whole.output)")
        let resume = "--set resume=whole/checkpoint-3"
        let again = try run.train("\(settings) \(resume) --set output_dir=again")
        #expect(again.exitCode == 0, "\(again.output)")
        let word = beginning.split(separator: " ")[1].split(separator: "=")[1]
        #expect(whole.output.contains("looking at data"), "\(whole.output)")
        #expect(whole.output.contains("\(word): "), "\(whole.output)")
        #expect(!again.output.contains("looking at data"), "\(again.output)")
        #expect(try adapter(run, "whole") == adapter(run, "again"))

        let two = try run.train(
            """
            \(settings) \(resume) --set gradient_accumulation_steps=1 --ranks 2 \\
            --set sharding=parameters
            """)
        #expect(two.exitCode == 0, "\(two.output)")
        let losses = try run.losses()
        let wanted = try run.losses("whole").suffix(3)
        #expect(losses.count == 3)
        for (a, b) in zip(losses, wanted) { #expect(abs(a - b) < 1e-5 * b) }
    }

    @Test func whatBeganOtherwiseIsNotTakenOver() throws {
        let run = try TinyRun()
        let plain = try run.train("\(Self.lora) --set max_steps=1 --set save_steps=1")
        #expect(plain.exitCode == 0, "\(plain.output)")
        let other = try run.train("\(Self.lora) \(Self.eva)")
        #expect(other.exitCode == 1)
        #expect(other.output.contains("does not say how data began the adapter"))
    }

    /// One rank and two, which may share out the frozen weights, train the same.
    @Test(arguments: [eva, corda, loraGA])
    func ranksChangeNothing(_ beginning: String) throws {
        let run = try TinyRun()
        let settings = "\(Self.lora) \(beginning) --set micro_batch_size=4"
        func losses(_ arguments: String) throws -> [Double] {
            let result = try run.train("\(settings) \(arguments)")
            #expect(result.exitCode == 0, "\(result.output)")
            return try run.losses()
        }
        let alone = try losses("--set gradient_accumulation_steps=1")
        for sharding in ["none", "parameters"] {
            let two = try losses(
                """
                --set gradient_accumulation_steps=1 --set micro_batch_size=2 --ranks 2 \\
                --set sharding=\(sharding)
                """)
            for (a, b) in zip(alone, two) { #expect(abs(a - b) < 2e-5 * a) }
            #expect(two.count == 5)
        }
    }

    @Test func quantizedWeightsCanBeLookedThrough() throws {
        let run = try TinyRun()
        let settings = Self.lora.replacing("adapter=lora", with: "adapter=qlora")
        let result = try run.train("\(settings) \(Self.eva) --set bf16=true")
        #expect(result.exitCode == 0, "\(result.output)")
        let refused = try run.train("\(settings) \(Self.corda)")
        #expect(refused.exitCode != 0)
        #expect(refused.output.contains("held in few bits"), "\(refused.output)")
    }
}
