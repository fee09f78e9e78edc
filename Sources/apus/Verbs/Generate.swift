import ArgumentParser

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a prompt with a model.")

    @Option(help: ArgumentHelp("A HuggingFace folder or a GGUF file.", valueName: "dir|file"))
    var model: String

    @Option(help: ArgumentHelp("What the model continues.", valueName: "text"))
    var prompt: String

    @Flag(help: "Put the prompt into the model's chat template.")
    var chat = false

    @Option(help: "The longest answer, in tokens.")
    var maxNewTokens = 128

    @Option(help: "Randomness; 0 always takes the likeliest token.")
    var temperature = 0.0

    @Option(help: "Choose among the K likeliest tokens; 0 is no limit.")
    var topK = 0

    @Option(help: "Choose among the likeliest tokens that together have this probability.")
    var topP = 1.0

    @Option(help: "Seed of the choice.")
    var seed: UInt64 = 42

    @Flag(help: "Print one JSON object with text, token_ids and tokens_per_second.")
    var json = false

    func validate() throws {
        if maxNewTokens < 1 { throw ValidationError("--max-new-tokens must be at least 1.") }
        if !(temperature >= 0 && temperature.isFinite) {
            throw ValidationError("--temperature must be a number of at least 0.")
        }
        if topK < 0 { throw ValidationError("--top-k must be at least 0.") }
        if !(topP > 0 && topP <= 1) {
            throw ValidationError("--top-p must be above 0 and at most 1.")
        }
    }

    func run() throws {
        var arguments = ["generate", "--model", model, "--prompt", prompt]
        arguments += ["--max-new-tokens", String(maxNewTokens)]
        arguments += ["--temperature", String(temperature), "--top-k", String(topK)]
        arguments += ["--top-p", String(topP), "--seed", String(seed)]
        if chat { arguments.append("--chat") }
        if json { arguments.append("--json") }
        try reporting { try becomeWorker(arguments) }
    }
}
