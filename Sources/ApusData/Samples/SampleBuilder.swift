internal import ApusBase

/// Makes token sequences of records.
struct SampleBuilder: Sendable {
    /// A record that does not have what its kind needs, without its place.
    struct Fault: Error {
        let problem: String
        var remedy: String?
    }

    let kind: SampleKind
    let encoder: (any TextEncoder)?
    let renderer: (any ChatRenderer)?
    /// The member of a record that tells what its loss counts.
    var lossWeightField: String?

    func sample(_ record: JSON) throws -> TokenizedSample {
        guard let row = record.objectValue else {
            throw Fault(problem: "\(record.kind) where an object should stand")
        }
        var sample = try unweighted(row)
        if let lossWeightField { sample.lossWeight = try lossWeight(row, lossWeightField) }
        return sample
    }

    private func lossWeight(_ row: JSONObject, _ field: String) throws(Fault) -> Float {
        guard let value = row[field] else { throw missing(field, in: row) }
        let number = value.doubleValue ?? value.stringValue.flatMap { Double($0) }
        guard let number, number >= 0, number.isFinite else {
            throw Fault(
                problem: "\"\(field)\" is \(value.text()), not a weight",
                remedy: "a weight is a number of at least 0")
        }
        return Float(number)
    }

    private func unweighted(_ row: JSONObject) throws -> TokenizedSample {
        switch kind {
        case .completion(let field): return try completion(try text(row, field))
        case .chat(let fields):
            return try ChatSampleBuilder(fields, try textEncoder, renderer).sample(row)
        case .promptCompletion(let prompt, let completion, let chat):
            if let given = row[prompt]?.arrayValue, let answer = row[completion]?.arrayValue {
                return try ChatSampleBuilder(chat, try textEncoder, renderer).sample(
                    row, prompt: given, answer: answer)
            }
            return Self.continuation(
                of: try text(row, prompt), by: try text(row, completion), try textEncoder)
        case .alpaca: return try alpaca(row)
        case .segments: return try segments(row)
        case .tokens: return try tokens(row)
        }
    }

    private func text(_ row: JSONObject, _ field: String) throws(Fault) -> String {
        guard let value = row[field] else { throw missing(field, in: row) }
        guard let text = value.stringValue else {
            throw Fault(problem: "\"\(field)\" is \(value.kind), not a string")
        }
        return text
    }

    private var textEncoder: any TextEncoder {
        get throws(Fault) {
            if let encoder { return encoder }
            throw Fault(
                problem: "text cannot be used: the model has no tokenizer",
                remedy: "put tokenizer.json beside the model, or give input_ids")
        }
    }

    private func completion(_ text: String) throws(Fault) -> TokenizedSample {
        let encoder = try textEncoder
        let ids = Self.withEnd(encoder.encode(text, addSpecialTokens: true), encoder)
        return TokenizedSample(inputIDs: ids, labels: ids)
    }

    private static func withEnd(_ ids: [Int32], _ encoder: any TextEncoder) -> [Int32] {
        guard let end = encoder.endOfTextID, ids.last != end else { return ids }
        return ids + [end]
    }

    /// Both are tokenised apart, so that the boundary between what is given and what is trained is
    /// one between tokens, as it will be when the model continues a prompt.
    static func continuation(
        of prompt: String, by completion: String, _ encoder: any TextEncoder
    ) -> TokenizedSample {
        let given = encoder.encode(prompt, addSpecialTokens: true)
        let trained = withEnd(encoder.encode(completion, addSpecialTokens: false), encoder)
        let ignored = [Int32](repeating: TokenizedSample.ignoredLabel, count: given.count)
        return TokenizedSample(inputIDs: given + trained, labels: ignored + trained)
    }

    /// The words of Stanford Alpaca's prompts.
    private func alpaca(_ row: JSONObject) throws(Fault) -> TokenizedSample {
        let instruction = try text(row, "instruction")
        let input = row["input"]?.stringValue ?? ""
        let task = "Below is an instruction that describes a task"
        let request = "Write a response that appropriately completes the request."
        var prompt = task
        if input.isEmpty {
            prompt += ". \(request)\n\n### Instruction:\n\(instruction)\n\n"
        } else {
            prompt += ", paired with an input that provides further context. \(request)\n\n"
            prompt += "### Instruction:\n\(instruction)\n\n### Input:\n\(input)\n\n"
        }
        prompt += "### Response:\n"
        return Self.continuation(of: prompt, by: try text(row, "output"), try textEncoder)
    }

    private func segments(_ row: JSONObject) throws(Fault) -> TokenizedSample {
        guard let value = row["segments"] else { throw missing("segments", in: row) }
        let encoder = try textEncoder
        var (ids, labels): ([Int32], [Int32]) = ([], [])
        for segment in value.arrayValue ?? [] {
            guard let text = segment["text"]?.stringValue,
                let isTrained = segment["label"]?.boolValue
            else {
                throw Fault(
                    problem: "a segment is no object of a \"text\" and a \"label\"",
                    remedy: #"write {"segments": [{"label": true, "text": "..."}]}"#)
            }
            let part = encoder.encode(text, addSpecialTokens: false)
            ids += part
            labels += part.map { isTrained ? $0 : TokenizedSample.ignoredLabel }
        }
        return TokenizedSample(inputIDs: ids, labels: labels)
    }

    private func tokens(_ row: JSONObject) throws(Fault) -> TokenizedSample {
        let ids = try integers(row, "input_ids")
        guard ids.allSatisfy({ $0 >= 0 }) else {
            throw Fault(problem: "\"input_ids\" holds a negative number")
        }
        guard let labels = row["labels"], !labels.isNull else {
            return TokenizedSample(inputIDs: ids, labels: ids)
        }
        let trained = try integers(row, "labels")
        guard trained.count == ids.count else {
            throw Fault(problem: "\(trained.count) labels for \(ids.count) input_ids")
        }
        guard trained.allSatisfy({ $0 >= 0 || $0 == TokenizedSample.ignoredLabel }) else {
            throw Fault(problem: "\"labels\" holds a negative number other than -100")
        }
        return TokenizedSample(inputIDs: ids, labels: trained)
    }

    private func integers(_ row: JSONObject, _ field: String) throws(Fault) -> [Int32] {
        guard let value = row[field] else { throw missing(field, in: row) }
        guard let elements = value.arrayValue else {
            throw Fault(problem: "\"\(field)\" is \(value.kind), not an array of integers")
        }
        var integers: [Int32] = []
        integers.reserveCapacity(elements.count)
        for element in elements {
            guard let integer = element.intValue.flatMap({ Int32(exactly: $0) }) else {
                throw Fault(problem: "\"\(field)\" holds \(element.kind) that is no token id")
            }
            integers.append(integer)
        }
        return integers
    }
}

/// The fault of a record without the field, with the names that it has.
func missing(_ field: String, in row: JSONObject) -> SampleBuilder.Fault {
    let near = nearestName(to: field, among: row.keys)
    let names = row.keys.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
    let has = row.isEmpty ? "the record is empty" : "it has \(names)"
    return .init(
        problem: "the record has no \"\(field)\"; \(has)",
        remedy: near.map { "name the field \"\($0)\" in the recipe" })
}
