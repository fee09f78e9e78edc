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
    @Option var adapter: String?
    @Option var prompt: String
    @Flag var chat = false
    @Option var maxNewTokens: Int?
    @Option var temperature: Double?
    @Option var topK: Int?
    @Option var topP: Double?
    @Option var minP: Double?
    @Option var repetitionPenalty: Double?
    @Option var stop: [String] = []
    @Option var samples: Int?
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
        let defaults = try pretrained.generationDefaults()
        let ids = try promptIDs(tokenizer)
        let options = options(defaults, promptLength: ids.count)
        for key in defaults.unknown {
            Console.standardError("apus: generation_config.json: \(key) is not honoured\n")
        }
        let count = samples ?? defaults.sampleCount
        let generator = TokenGenerator(try loadModel(pretrained), options)
        let stops = stop.isEmpty ? defaults.stopStrings : stop
        var texts = Array(repeating: AnswerText(tokenizer, stop: stops), count: count)
        let clock = ContinuousClock()
        let start = clock.now
        // A single answer is shown while it grows; several one after another.
        let rows = try generator.generate(Array(repeating: ids, count: count)) { row, id in
            show(texts[row].append(id), while: count == 1)
            return !texts[row].isStopped
        }
        for row in rows.indices { show(texts[row].finish(), while: count == 1) }
        report(texts.map(\.all), rows.map(\.tokenIDs), seconds: (clock.now - start).seconds)
    }

    private func loadModel(_ pretrained: PretrainedModel) throws -> any LanguageModel {
        let type: DType = dtype == .fp32 ? .float32 : .bfloat16
        guard let adapter else { return try pretrained.makeModel(dtype: type) }
        return try AdaptedModel(pretrained, AdapterFolder(path: adapter)).load(dtype: type)
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

    private func options(
        _ defaults: GenerationDefaults, promptLength: Int
    ) -> GenerationOptions {
        var options = GenerationOptions()
        options.stopIDs = defaults.stopIDs
        let rest = defaults.maximumLength.map { max(1, $0 - promptLength) }
        options.maximumNewTokens = maxNewTokens ?? defaults.maximumNewTokens ?? rest ?? 256
        options.minimumNewTokens = min(defaults.minimumNewTokens, options.maximumNewTokens)
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

    private func show(_ piece: String, while isShown: Bool) {
        guard isShown, !json, !piece.isEmpty else { return }
        Console.standardOutput(piece)
    }

    private func report(_ texts: [String], _ rows: [[Int]], seconds: Double) {
        guard json else {
            let isSingle = texts.count == 1
            return Console.standardOutput(
                isSingle ? "\n" : texts.map { "- \($0)\n" }.joined())
        }
        let answers: [JSON] = zip(texts, rows).map { text, ids in
            ["text": .string(text), "token_ids": .array(ids.map { .integer($0) })]
        }
        let rate = Double(rows.reduce(0) { $0 + $1.count }) / max(seconds, 1e-9)
        var object = answers.count == 1 ? answers[0].objectValue ?? [:] : [:]
        if answers.count > 1 { object["samples"] = .array(answers) }
        object["tokens_per_second"] = .number((rate * 100).rounded() / 100)
        Console.standardOutput(JSON.object(object).text() + "\n")
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
