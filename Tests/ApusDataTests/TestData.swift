import ApusBase
import ApusData
import ApusFormats
import ApusTokenizer
import FileTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Every byte is a token (its value + 10); the marks of ChatML are tokens of their own.
struct ByteEncoder: TextEncoder {
    static let marks: [(text: String, id: Int32)] = [("<|im_start|>", 1), ("<|im_end|>", 2)]

    func encode(_ text: String, addSpecialTokens: Bool) -> [Int32] {
        encodeWithOffsets(text, addSpecialTokens: addSpecialTokens).ids
    }

    func encodeWithOffsets(_ text: String, addSpecialTokens: Bool) -> Encoding {
        let bytes = Array(text.utf8)
        var encoding = Encoding()
        if addSpecialTokens {
            encoding.ids = [3]
            encoding.offsets = [0..<0]
        }
        var position = 0
        while position < bytes.count {
            let mark = Self.marks.first { bytes[position...].starts(with: $0.text.utf8) }
            let length = mark?.text.utf8.count ?? 1
            encoding.ids.append(mark?.id ?? Int32(bytes[position]) + 10)
            encoding.offsets.append(position..<(position + length))
            position += length
        }
        return encoding
    }

    var endOfTextID: Int32? { 2 }

    /// The text of tokens, special ones as their marks.
    static func text(_ ids: some Sequence<Int32>) -> String {
        let bytes = ids.flatMap { id -> [UInt8] in
            if let mark = marks.first(where: { $0.id == id }) { return Array(mark.text.utf8) }
            return id < 10 ? Array("<\(id)>".utf8) : [UInt8(id - 10)]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

struct TemplateFault: Error {}

/// ChatML, as SmolLM2's template writes it without its default system message.
struct ChatML: ChatRenderer {
    func render(
        _ messages: [JSONObject], tools: JSON?, trainedRoles: Set<String>
    ) throws -> TrainedText {
        let beginning = tools.map { "tools: \($0.text())\n" } ?? ""
        var chat = TrainedText(text: beginning, trained: [])
        for message in messages {
            guard let role = message["role"]?.stringValue, role != "unknown" else {
                throw TemplateFault()
            }
            chat.text += "<|im_start|>\(role)\n"
            let start = chat.text.utf8.count
            chat.text += "\(message["content"]?.stringValue ?? "")<|im_end|>"
            if trainedRoles.contains(role) { chat.trained.append(start..<chat.text.utf8.count) }
            chat.text += "\n"
        }
        return chat
    }
}

/// Loads text as if it stood in a file of that name.
func load(
    _ text: String, _ kind: SampleKind, name: String = "data.jsonl",
    options: Dataset.Options = Dataset.Options()
) throws -> Dataset {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, text)
    return try Dataset.load(
        [DataSource(path: path, kind: kind)], encoder: ByteEncoder(), renderer: ChatML(),
        options: options)
}

/// What is trained, as text.
func trainedText(_ sample: TokenizedSample) -> String {
    ByteEncoder.text(sample.labels.filter { $0 != TokenizedSample.ignoredLabel })
}

/// The error that `body` throws, as text.
func failure(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch {
        return "\(error)"
    }
}
