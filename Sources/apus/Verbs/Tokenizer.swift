import ApusBase
import ApusFormats
import ApusTokenizer
import ArgumentParser

struct TokenizerVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer", abstract: "Make tokenizers.", subcommands: [TokenizerTrain.self])
}

struct TokenizerTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Learn a byte-level BPE from text and write tokenizer.json.")

    @Argument(
        help: ArgumentHelp(
            "Text, each line a text; or .jsonl with strings or objects with \"text\".",
            valueName: "file"))
    var files: [String]

    @Option(help: ArgumentHelp("Where to write the tokenizer.", valueName: "dir"))
    var out: String

    @Option(help: "Tokens in all: special ones, the 256 bytes, merges.")
    var vocabSize = 32_768

    @Option(help: "How texts are cut before merging, by GGUF's name: \(splits).")
    var split = "gpt-2"

    @Option(
        help: ArgumentHelp(
            "Special tokens, repeatable; the first ends a text (default: <|endoftext|>).",
            valueName: "token"))
    var special: [String] = []

    @Option(help: "A pair that stands together less often is not merged.")
    var minFrequency = 0

    @Option(help: "Threads that count words.")
    var threads = 1

    private static let splits = BytePairTrainer.splits.joined(separator: ", ")

    func validate() throws {
        if files.isEmpty { throw ValidationError("A file with text is needed.") }
        if special.contains("") { throw ValidationError("--special must not be empty.") }
        if threads < 1 { throw ValidationError("--threads must be at least 1.") }
        guard BytePairTrainer.splits.contains(split) else {
            throw ValidationError("--split must be one of \(Self.splits), not '\(split)'.")
        }
    }

    func run() throws {
        try reporting {
            guard var trainer = try BytePairTrainer(split: split) else { return }
            for file in files {
                try TextLines(file: file).forEachBlock { trainer.add($0, threadCount: threads) }
            }
            guard trainer.wordCount > 0 else {
                throw FileError(
                    files.joined(separator: ", "), "holds no text to learn from",
                    remedy: "give files with text")
            }
            var options = BytePairTrainer.Options()
            options.vocabularySize = vocabSize
            options.minimumFrequency = minFrequency
            if !special.isEmpty { options.specialTokens = special }
            let tokenizer = try trainer.train(options)
            try tokenizer.save(to: out)
            print(
                "\(out): \(tokenizer.vocabularySize) tokens from \(trainer.wordCount) words")
            if tokenizer.vocabularySize < vocabSize {
                fail("the texts have too few pairs for \(vocabSize) tokens")
            }
        }
    }
}

/// The texts of a file for tokenizers: one a line, with its line break; of JSON Lines the strings,
/// or the `text` of the objects.
struct TextLines {
    let file: String

    /// A few megabytes of texts at a time.
    func forEachBlock(_ body: ([String]) throws -> Void) throws {
        let mapped = try MappedFile(path: file)
        try mapped.withBytes { bytes in
            var (start, number) = (0, 0)
            var block: [String] = []
            var size = 0
            while start < bytes.count {
                let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n"))
                let end = newline.map { $0 + 1 } ?? bytes.count
                number += 1
                block.append(try text(bytes[start..<end], number))
                size += end - start
                start = end
                guard size > 4 << 20 || start == bytes.count else { continue }
                try body(block)
                (block, size) = ([], 0)
            }
        }
    }

    private func text(_ line: Slice<UnsafeRawBufferPointer>, _ number: Int) throws -> String {
        guard let text = String(validating: line, as: UTF8.self) else {
            throw FileError(
                file, at: .line(number), "not valid UTF-8",
                likelyCause: "the file is no text, or in another encoding",
                remedy: "give text in UTF-8: iconv -f LATIN1 -t UTF-8")
        }
        guard file.hasSuffix(".jsonl") else { return text }
        let json: JSON
        do {
            json = try JSON.parse(text)
        } catch {
            throw FileError(file, at: .line(number), "not valid JSON: \(error)")
        }
        guard let string = json.stringValue ?? json["text"]?.stringValue else {
            throw FileError(
                file, at: .line(number), "neither a string nor an object with \"text\"")
        }
        return string
    }
}
