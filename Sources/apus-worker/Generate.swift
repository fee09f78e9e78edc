import ApusBase
import ApusFormats
import ApusModels
import ApusTensor
import ApusTokenizer
import ArgumentParser

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Continues a prompt; options that are not given come from the model's generation_config.json.
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The work of 'apus generate'.")

    enum Precision: String, ExpressibleByArgument { case fp32, bf16 }

    @Option var model: String
    @Option var prompt: String
    @Flag var chat = false
    @Option var maxNewTokens: Int?
    @Option var temperature: Double?
    @Option var topK: Int?
    @Option var topP: Double?
    @Option var minP: Double?
    @Option var repetitionPenalty: Double?
    @Option var stop: [String] = []
    @Option var seed: UInt64 = 42
    @Option var dtype = Precision.fp32
    @Option var threads: Int?
    @Flag var json = false

    func run() throws {
        do {
            try generate()
        } catch let error as any OperationalError {
            Console.standardError("apus: \(error.description)\n")
            throw ExitCode(1)
        }
    }

    private func generate() throws {
        if let threads { Runtime.threadCount = max(threads, 1) }
        let pretrained = try PretrainedModel(path: model)
        let tokenizer = try loadTokenizer()
        let options = try options(try pretrained.generationDefaults())
        let ids = try promptIDs(tokenizer)
        let model = try pretrained.makeModel(dtype: dtype == .fp32 ? .float32 : .bfloat16)

        let generator = TokenGenerator(model, options)
        var text = AnswerText(tokenizer, stop: stop)
        let clock = ContinuousClock()
        let start = clock.now
        let rows = try generator.generate([ids]) { _, id in
            show(text.append(id))
            return !text.isStopped
        }
        show(text.finish())
        let produced = rows[0].tokenIDs
        report(text.all, produced, seconds: (clock.now - start).seconds)
    }

    private func loadTokenizer() throws -> Tokenizer {
        guard model.hasSuffix(".gguf") else { return try Tokenizer(folder: model) }
        return try Tokenizer(gguf: try GGUFFile(path: model))
    }

    private func promptIDs(_ tokenizer: Tokenizer) throws -> [Int] {
        guard chat else { return tokenizer.encode(prompt).map(Int.init) }
        let messages = [ChatMessage(role: "user", content: prompt)]
        let options = ChatOptions(addGenerationPrompt: true)
        return try tokenizer.encodeChat(messages, options: options).ids.map(Int.init)
    }

    private func options(_ defaults: GenerationDefaults) throws -> GenerationOptions {
        var options = GenerationOptions()
        options.stopIDs = defaults.stopIDs
        options.maximumNewTokens = maxNewTokens ?? defaults.maximumNewTokens ?? 256
        options.seed = seed
        options.sampling = defaults.sampling
        let narrows = topK != nil || topP != nil || minP != nil
        // Who limits the choice wants one, also from a model that says nothing of it.
        if narrows, defaults.sampling.isGreedy { options.sampling.temperature = 1 }
        if let temperature { options.sampling.temperature = temperature }
        if let topK { options.sampling.topK = topK == 0 ? nil : topK }
        if let topP { options.sampling.topP = topP }
        if let minP { options.sampling.minP = minP }
        if let repetitionPenalty { options.sampling.repetitionPenalty = repetitionPenalty }
        return options
    }

    private func show(_ piece: String) {
        guard !json, !piece.isEmpty else { return }
        Console.standardOutput(piece)
    }

    private func report(_ text: String, _ ids: [Int], seconds: Double) {
        guard json else { return Console.standardOutput("\n") }
        let rate = Double(ids.count) / max(seconds, 1e-9)
        let object: JSON = [
            "text": .string(text), "token_ids": .array(ids.map { .integer($0) }),
            "tokens_per_second": .number((rate * 100).rounded() / 100),
        ]
        Console.standardOutput(object.text() + "\n")
    }
}

/// The text of the answer's tokens: whole characters, up to a stop string.
private struct AnswerText {
    private(set) var all = ""
    private var decoder: StreamingDecoder
    private var stops: StopStrings

    init(_ tokenizer: Tokenizer, stop: [String]) {
        decoder = StreamingDecoder(tokenizer)
        stops = StopStrings(stop)
    }

    var isStopped: Bool { stops.isFound }

    /// What the token adds to the text that can be shown.
    mutating func append(_ id: Int) -> String { keep(stops.append(decoder.append(Int32(id)))) }

    mutating func finish() -> String {
        let rest = stops.append(decoder.finish())
        return keep(rest + stops.finish())
    }

    private mutating func keep(_ piece: String) -> String {
        all += piece
        return piece
    }
}

/// Text to the terminal at once, not when a buffer is full.
private enum Console {
    static func standardOutput(_ text: String) { write(text, to: STDOUT_FILENO) }
    static func standardError(_ text: String) { write(text, to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // A closed pipe: nobody reads on.
            guard count > 0 else { return }
            bytes.removeFirst(count)
        }
    }
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

extension Duration {
    fileprivate var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
