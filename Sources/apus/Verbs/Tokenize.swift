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

    func validate() throws {
        if generationPrompt, !chatTemplate {
            throw ValidationError("--generation-prompt needs --chat-template.")
        }
    }

    func run() throws {
        try reporting {
            let tokenizer = try openTokenizer()
            var number = 0
            while let line = readLine() {
                number += 1
                let ids =
                    try chatTemplate ? chatIDs(line, number, tokenizer) : tokenizer.encode(line)
                print(JSON.array(ids.map { .integer(Int($0)) }).text())
            }
        }
    }

    private func openTokenizer() throws -> Tokenizer {
        if model.hasSuffix(".gguf") { return try Tokenizer(gguf: GGUFFile(path: model)) }
        return try Tokenizer(folder: model)
    }

    private func chatIDs(
        _ line: String, _ number: Int, _ tokenizer: Tokenizer
    ) throws -> [Int32] {
        let messages = try Self.messages(line, number)
        var options = ChatOptions()
        options.addGenerationPrompt = generationPrompt
        return try tokenizer.encodeChat(messages, options: options).ids
    }

    /// The conversation that a line holds.
    static func messages(_ line: String, _ number: Int) throws -> [ChatMessage] {
        guard let first = line.first, "[{".contains(first) else {
            return [ChatMessage(role: "user", content: line)]
        }
        let json: JSON
        do {
            json = try JSON.parse(line)
        } catch {
            throw FileError("standard input", at: .line(number), "not valid JSON: \(error)")
        }
        let list = json.arrayValue ?? json["messages"]?.arrayValue
        let messages = list?.compactMap { $0.objectValue.flatMap(ChatMessage.init) }
        guard let messages, messages.count == list?.count else {
            throw FileError(
                "standard input", at: .line(number), "no messages",
                remedy: #"write [{"role": "user", "content": "..."}]"#)
        }
        return messages
    }
}
