import ArgumentParser

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a prompt with a model.",
        discussion: """
            What is not given is taken from the model's generation_config.json; without one the \
            likeliest token is taken each time.
            """)

    enum Precision: String, ExpressibleByArgument, CaseIterable { case fp32, bf16 }

    @Option(help: ArgumentHelp("A HuggingFace folder or a GGUF file.", valueName: "dir|file"))
    var model: String

    @Option(
        help: ArgumentHelp("An adapter folder that changes the model.", valueName: "dir"))
    var adapter: String?

    @Option(help: ArgumentHelp("What the model continues.", valueName: "text"))
    var prompt: String

    @Flag(help: "Put the prompt into the model's chat template.")
    var chat = false

    @Option(help: "The longest answer, in tokens.")
    var maxNewTokens: Int?

    @Option(help: "Randomness; 0 always takes the likeliest token.")
    var temperature: Double?

    @Option(help: "Choose among the K likeliest tokens; 0 is no limit.")
    var topK: Int?

    @Option(help: "Choose among the likeliest tokens that together have this probability.")
    var topP: Double?

    @Option(help: "Choose among tokens with this share of the likeliest one's probability.")
    var minP: Double?

    @Option(help: "Above 1, tokens that occurred become less likely.")
    var repetitionPenalty: Double?

    @Option(help: ArgumentHelp("Text that ends the answer; may be repeated.", valueName: "text"))
    var stop: [String] = []

    @Option(help: "Answers, each drawn anew.")
    var samples: Int?

    @Option(help: "Seed of the choice.")
    var seed: UInt64?

    @Option(help: "The numbers to compute with: fp32 or bf16.")
    var dtype: Precision?

    @Option(help: "Threads to compute with.")
    var threads: Int?

    @Flag(
        help: """
            Print one JSON object with text, token_ids and tokens_per_second; with several \
            samples, a list of texts and token_ids.
            """)
    var json = false

    func validate() throws {
        func check(_ isGood: Bool, _ message: String) throws {
            if !isGood { throw ValidationError(message) }
        }
        try check((maxNewTokens ?? 1) >= 1, "--max-new-tokens must be at least 1.")
        try check((threads ?? 1) >= 1, "--threads must be at least 1.")
        try check((samples ?? 1) >= 1, "--samples must be at least 1.")
        let temperature = temperature ?? 0
        let isTemperature = temperature >= 0 && temperature.isFinite
        try check(isTemperature, "--temperature must be a number of at least 0.")
        try check((topK ?? 0) >= 0, "--top-k must be at least 0.")
        let topP = topP ?? 1
        try check(topP > 0 && topP <= 1, "--top-p must be above 0 and at most 1.")
        try check((0...1).contains(minP ?? 0), "--min-p must be from 0 to 1.")
        let penalty = repetitionPenalty ?? 1
        try check(penalty > 0 && penalty.isFinite, "--repetition-penalty must be above 0.")
    }

    func run() throws {
        try reporting { try becomeWorker(workerArguments(model: modelFolder(model))) }
    }

    private func workerArguments(model: String) -> [String] {
        // With `=`, values that begin with a dash stay values.
        var arguments = ["generate", "--model=\(model)", "--prompt=\(prompt)"]
        func pass(_ name: String, _ value: (some CustomStringConvertible)?) {
            if let value { arguments.append("--\(name)=\(value)") }
        }
        pass("max-new-tokens", maxNewTokens)
        pass("temperature", temperature)
        pass("top-k", topK)
        pass("top-p", topP)
        pass("min-p", minP)
        pass("repetition-penalty", repetitionPenalty)
        for text in stop { pass("stop", text) }
        pass("adapter", adapter)
        pass("samples", samples)
        pass("seed", seed)
        pass("dtype", dtype?.rawValue)
        pass("threads", threads)
        if chat { arguments.append("--chat") }
        if json { arguments.append("--json") }
        return arguments
    }
}
