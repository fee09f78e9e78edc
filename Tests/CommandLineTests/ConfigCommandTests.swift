import ProgramTestSupport
import Testing

/// `apus config` as a user meets it.
@Suite struct ConfigCommandTests {
    @Test func aStarterBecomesARecipeThatIsInOrder() throws {
        let scratch = try Scratch()
        let result = try Program.shell(
            """
            cd '\(scratch.path)'; apus config init > my.yaml; mkdir -p models/my-model data
            touch data/train.jsonl; apus config check my.yaml
            """)
        #expect(result.output == "my.yaml: in order\n")
        #expect(result.exitCode == 0)
    }

    @Test func mistakesAreMessagesWithoutTraces() throws {
        let scratch = try Scratch()
        scratch.write("r.yaml", "base_model: /dev/null\nlerning_rate: 1\n")
        let result = try Program.shell("cd '\(scratch.path)'; apus config check r.yaml")
        #expect(result.exitCode == 1)
        let lines = result.output.split(separator: "\n")
        #expect(lines.contains("r.yaml:2:1: unknown key 'lerning_rate'"))
        #expect(lines.contains("    did you mean 'learning_rate'?"))
        #expect(result.output.hasPrefix("apus: "))
        #expect(!result.output.contains("ConfigError"))
    }

    @Test func explainShowsWhatTheCommandLineChanged() throws {
        let scratch = try Scratch()
        let command = """
            cd '\(scratch.path)'; mkdir -p models/my-model data; touch data/train.jsonl
            apus config init > r.yaml; apus config explain r.yaml --set seed=7 --ranks 3
            """
        let output = try Program.shell(command).output
        let lines = output.split(separator: "\n").map {
            $0.split(separator: " ").joined(separator: " ")
        }
        #expect(lines.contains { $0.hasPrefix("seed 7 --set seed=7 ") })
        #expect(lines.contains { $0.hasPrefix("ranks 3 --ranks 3 ") })
        #expect(lines.contains { $0.hasPrefix("sequences per step 24 ") })
    }

    @Test(arguments: [
        ("config check /no/such.yaml", 1, "/no/such.yaml: cannot be opened: No such file"),
        ("train", 64, "Missing expected argument '<recipe>'"),
        ("trian", 64, "did you mean 'train'?"),
        ("config check r.yaml --rnaks 2", 64, "Unknown option '--rnaks'. Did you mean '--ranks'?"),
        ("generate --model x --prompt y --top-p 2", 64, "--top-p must be above 0 and at most 1"),
        ("launch", 64, "Missing the program to launch"),
        ("launch --nnodes 2 true", 64, "needs --master-addr and --master-port"),
        ("launch no-such-program", 1, "no program 'no-such-program' on the PATH"),
        ("launch --ranks 0 true", 1, "0 ranks cannot be started"),
    ])
    func wrongCommandLines(_ arguments: String, _ code: Int32, _ expected: String) throws {
        let result = try Program.shell("apus \(arguments)")
        #expect(result.exitCode == code)
        #expect(result.output.contains(expected))
    }

    @Test func versionIsPrinted() throws {
        let version = try Program.shell("apus version")
        #expect(version.output.split(separator: ".").count == 3)
        #expect(try Program.shell("apus --version").output == version.output)
    }
}
