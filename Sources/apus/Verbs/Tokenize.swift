import ApusBase
import ApusFormats
import ApusTokenizer
import ArgumentParser

struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the token ids of each line of standard input, one JSON array a line.")

    @Option(help: ArgumentHelp("A HuggingFace folder or a GGUF file.", valueName: "dir|file"))
    var model: String

    @Flag(
        help: """
            Put each line into the model's chat template: a JSON array of messages, an object \
            with "messages", or any other text as the words of a user.
            """)
    var chatTemplate = false

    @Flag(help: "With --chat-template: end with the header of the answer.")
    var generationPrompt = false

    @Flag(help: "Each line is a JSON string, so that a text may hold line breaks.")
    var json = false

    @Flag(
        help: """
            Each line is a JSON array of two texts, which are one input: print objects with ids \
            and type_ids.
            """)
    var pairs = false

    @Flag(help: "Print objects with ids and offsets: bytes of the text that each token stands for.")
    var offsets = false

    @Flag(help: "The other way: lines are arrays of ids, and their texts are printed as JSON.")
    var decode = false

    @Option(help: "Lines are taken together in blocks and encoded on so many threads.")
    var threads = 1

    func validate() throws {
        if generationPrompt, !chatTemplate {
            throw ValidationError("--generation-prompt needs --chat-template.")
        }
        if chatTemplate, json || pairs || offsets || decode {
            throw ValidationError(
                "--chat-template goes with none of --json, --pairs, --offsets, --decode.")
        }
        if decode, json || pairs || offsets {
            throw ValidationError("--decode goes with none of --json, --pairs, --offsets.")
        }
        if threads < 1 { throw ValidationError("--threads must be at least 1.") }
    }

    func run() throws {
        try reporting {
            let tokenizer = try openTokenizer(model)
            var input = LineBlocks(length: threads == 1 ? 1 : 256 * threads)
            while let lines = input.next() {
                let first = input.number - lines.count + 1
                for line in try output(for: lines, from: first, tokenizer) { print(line) }
            }
        }
    }

    /// What to print for lines of which the first has the number `first`.
    private func output(
        for lines: [String], from first: Int, _ tokenizer: Tokenizer
    ) throws -> [String] {
        let numbered = zip(lines, first...)
        if chatTemplate {
            return try numbered.map { Self.text(try chatIDs($0, $1, tokenizer)) }
        }
        if decode {
            let lists = try numbered.map { try Self.ids($0, $1) }
            return tokenizer.decodeBatch(lists, threadCount: threads).map { JSON.string($0).text() }
        }
        if pairs {
            let pairs = try numbered.map { try Self.pair($0, $1) }
            let inputs = tokenizer.encodePairBatch(pairs, threadCount: threads)
            return inputs.map { Self.text($0, hasTypes: true, hasOffsets: offsets) }
        }
        let texts = json ? try numbered.map { try Self.string($0, $1) } : lines
        if offsets {
            return tokenizer.encodeBatchWithOffsets(texts, threadCount: threads)
                .map { Self.text($0, hasTypes: false, hasOffsets: true) }
        }
        return tokenizer.encodeBatch(texts, threadCount: threads).map { Self.text($0) }
    }

    private func chatIDs(
        _ line: String, _ number: Int, _ tokenizer: Tokenizer
    ) throws -> [Int32] {
        let messages = try Self.messages(line, number)
        var options = ChatOptions()
        options.addGenerationPrompt = generationPrompt
        if line.first == "{", let tools = try Self.parse(line, number)["tools"], !tools.isNull {
            guard let list = tools.arrayValue else {
                throw FileError(
                    "standard input", at: .line(number), "\"tools\" is \(tools.kind), not a list")
            }
            options.tools = list
        }
        return try tokenizer.encodeChat(messages, options: options).ids
    }
}

func openTokenizer(_ model: String) throws -> Tokenizer {
    if model.hasSuffix(".gguf") { return try Tokenizer(gguf: GGUFFile(path: model)) }
    return try Tokenizer(folder: modelFolder(model))
}

/// Standard input, several lines at a time.
private struct LineBlocks {
    let length: Int
    /// The number of the last line that was read.
    private(set) var number = 0

    init(length: Int) { self.length = length }

    mutating func next() -> [String]? {
        var lines: [String] = []
        while lines.count < length, let line = readLine() { lines.append(line) }
        number += lines.count
        return lines.isEmpty ? nil : lines
    }
}

extension Tokenize {
    /// The conversation that a line holds.
    static func messages(_ line: String, _ number: Int) throws -> [ChatMessage] {
        guard let first = line.first, "[{".contains(first) else {
            return [ChatMessage(role: "user", content: line)]
        }
        let json = try parse(line, number)
        let list = json.arrayValue ?? json["messages"]?.arrayValue
        let messages = list?.compactMap { $0.objectValue.flatMap(ChatMessage.init) }
        guard let messages, messages.count == list?.count else {
            throw FileError(
                "standard input", at: .line(number), "no messages",
                remedy: #"write [{"role": "user", "content": "..."}]"#)
        }
        return messages
    }

    private static func string(_ line: String, _ number: Int) throws -> String {
        guard let text = try parse(line, number).stringValue else {
            throw FileError("standard input", at: .line(number), "no JSON string")
        }
        return text
    }

    private static func pair(
        _ line: String, _ number: Int
    ) throws -> (first: String, second: String) {
        let texts = try parse(line, number).arrayValue?.map(\.stringValue) ?? []
        guard texts.count == 2, let first = texts[0], let second = texts[1] else {
            throw FileError(
                "standard input", at: .line(number), "no array of two texts",
                remedy: #"write ["a question", "a text"]"#)
        }
        return (first, second)
    }

    private static func ids(_ line: String, _ number: Int) throws -> [Int32] {
        let list = try parse(line, number).arrayValue
        let ids = list?.compactMap { $0.intValue.flatMap(Int32.init(exactly:)) }
        guard let ids, ids.count == list?.count else {
            throw FileError(
                "standard input", at: .line(number), "no array of token ids",
                remedy: "write [1, 2, 3]")
        }
        return ids
    }

    private static func parse(_ line: String, _ number: Int) throws -> JSON {
        do {
            return try JSON.parse(line)
        } catch {
            throw FileError("standard input", at: .line(number), "not valid JSON: \(error)")
        }
    }

    private static func text(_ ids: [Int32]) -> String {
        JSON.array(ids.map { .integer(Int($0)) }).text()
    }

    private static func text(_ encoding: Encoding, hasTypes: Bool, hasOffsets: Bool) -> String {
        var object: JSONObject = ["ids": .array(encoding.ids.map { .integer(Int($0)) })]
        if hasTypes { object["type_ids"] = .array(encoding.typeIDs.map { .integer(Int($0)) }) }
        if hasOffsets {
            object["offsets"] = .array(
                encoding.offsets.map { [.integer($0.lowerBound), .integer($0.upperBound)] })
        }
        return JSON.object(object).text()
    }
}
