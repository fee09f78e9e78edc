import ApusBase
import ApusData
import FileTestSupport
import Testing

extension String {
    fileprivate func replacingTools(by text: String) -> String {
        guard let start = ranges(of: "[{\"name\"").first?.lowerBound else { return self }
        return self[..<start] + text + "}"
    }
}

@Suite struct SampleTests {
    func one(_ record: String, _ kind: SampleKind) throws -> TokenizedSample {
        let data = try load(record, kind)
        try #require(data.samples.count == 1)
        return data.samples[0]
    }

    @Test func completionTrainsEverythingAndTheEnd() throws {
        let sample = try one("{\"text\": \"hey\"}", .completion())
        #expect(ByteEncoder.text(sample.inputIDs) == "<3>hey<|im_end|>")
        #expect(sample.labels.first == TokenizedSample.ignoredLabel)
        #expect(trainedText(sample) == "hey<|im_end|>")
        #expect(try one("{\"body\": \"x\"}", .completion(field: "body")).count == 3)
    }

    @Test func chatTrainsAssistantsOnly() throws {
        let record = """
            {"messages": [{"role": "user", "content": "Hi"}, \
            {"role": "assistant", "content": "Yo"}, {"role": "user", "content": "Yo"}, \
            {"role": "assistant", "content": "Bye"}]}
            """
        let sample = try one(record, .chat())
        let text = ByteEncoder.text(sample.inputIDs)
        #expect(
            text.hasPrefix("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n"))
        #expect(trainedText(sample) == "Yo<|im_end|>Bye<|im_end|>")
    }

    @Test func toolsReachTheTemplate() throws {
        let record = """
            {"messages": [{"role": "user", "content": "Hi"}, \
            {"role": "assistant", "content": "Yo"}], "tools": [{"name": "clock"}]}
            """
        let sample = try one(record, .chat())
        #expect(ByteEncoder.text(sample.inputIDs).hasPrefix("tools: [{\"name\": \"clock\"}]"))
        #expect(trainedText(sample) == "Yo<|im_end|>")
        let wrong = failure { _ = try one(record.replacingTools(by: "7"), .chat()) }
        #expect(wrong.contains("\"tools\" is"), "\(wrong)")
        let without = try one(record.replacingTools(by: "null"), .chat())
        #expect(ByteEncoder.text(without.inputIDs).hasPrefix("<|im_start|>user"))
    }

    @Test func chatRolesCanBeChosen() throws {
        let record = """
            {"messages": [{"role": "user", "content": "Hi"}, \
            {"role": "assistant", "content": "Yo"}]}
            """
        var fields = ChatFields()
        fields.trainedRoles = ["user", "assistant"]
        #expect(trainedText(try one(record, .chat(fields))) == "Hi<|im_end|>Yo<|im_end|>")
    }

    @Test func shareGPTNames() throws {
        let record = """
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]}
            """
        let sample = try one(record, .chat(.shareGPT))
        #expect(trainedText(sample) == "Yo<|im_end|>")
        #expect(ByteEncoder.text(sample.inputIDs).contains("<|im_start|>user\nHi"))
    }

    @Test func completionsMayBeConversations() throws {
        let record = """
            {"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, \
            {"role": "user", "content": "c"}], \
            "completion": [{"role": "assistant", "content": "d"}]}
            """
        let sample = try one(record, .promptCompletion())
        #expect(ByteEncoder.text(sample.inputIDs).contains("assistant\nb<|im_end|>"))
        #expect(trainedText(sample) == "d<|im_end|>")
    }

    @Test func segmentsAreTrainedAsTheySay() throws {
        let segments = #"{"label": false, "text": "ab"}, {"label": true, "text": "cd"}"#
        let sample = try one("{\"segments\": [\(segments)]}", .segments)
        #expect(ByteEncoder.text(sample.inputIDs) == "abcd" && trainedText(sample) == "cd")
        let faulty = #"{"segments": [{"text": "ab"}]}"#
        #expect(failure { _ = try load(faulty, .segments) }.contains("a segment is no object"))
    }

    @Test func promptCompletionAndAlpaca() throws {
        let pair = try one("{\"prompt\": \"2+2=\", \"completion\": \"4\"}", .promptCompletion())
        #expect(ByteEncoder.text(pair.inputIDs) == "<3>2+2=4<|im_end|>")
        #expect(trainedText(pair) == "4<|im_end|>")
        let alpaca = try one(
            "{\"instruction\": \"Add\", \"input\": \"1 1\", \"output\": \"2\"}", .alpaca)
        let text = ByteEncoder.text(alpaca.inputIDs)
        #expect(text.contains("### Instruction:\nAdd\n\n### Input:\n1 1\n\n### Response:\n2"))
        #expect(trainedText(alpaca) == "2<|im_end|>")
        let short = try one("{\"instruction\": \"Add\", \"output\": \"2\"}", .alpaca)
        #expect(!ByteEncoder.text(short.inputIDs).contains("### Input"))
    }

    @Test func tokensAreUsedAsTheyAre() throws {
        let plain = try one("{\"input_ids\": [5, 6, 7]}", .tokens)
        #expect(plain.inputIDs == [5, 6, 7] && plain.labels == [-100, 6, 7])
        let labelled = try one("{\"input_ids\": [5, 6, 7], \"labels\": [-100, -100, 9]}", .tokens)
        #expect(labelled.labels == [-100, -100, 9])
    }

    @Test(arguments: [
        ("{\"input_ids\": 5}", "is an integer, not an array"),
        ("{\"input_ids\": [1, \"a\"]}", "holds a string that is no token id"),
        ("{\"input_ids\": [1, 1.5]}", "holds a number that is no token id"),
        ("{\"input_ids\": [1, 99999999999]}", "holds an integer that is no token id"),
        ("{\"input_ids\": [1, -100]}", "holds a negative number"),
        ("{\"input_ids\": [1, 2], \"labels\": [1]}", "1 labels for 2 input_ids"),
        ("{\"input_ids\": [1, 2], \"labels\": [1, -5]}", "negative number other than -100"),
        ("{\"ids\": [1, 2]}", "the record has no \"input_ids\""),
        ("{}", "the record is empty"),
    ])
    func faultyTokens(record: String, problem: String) {
        #expect(failure { _ = try load(record, .tokens) }.contains(problem))
    }

    @Test(arguments: [
        ("{\"messages\": []}", "no array of messages"),
        ("{\"messages\": \"Hi\"}", "no array of messages"),
        ("{\"messages\": [5]}", "message 1 is an integer"),
        ("{\"messages\": [{\"content\": \"Hi\"}]}", "message 1 has no role under \"role\""),
        ("{\"messages\": [{\"role\": \"user\"}]}", "message 1 has no content"),
        ("{\"message\": []}", "name the field \"message\" in the recipe"),
        (
            "{\"messages\": [{\"role\": \"unknown\", \"content\": \"\"}]}",
            "chat template refuses it"
        ),
    ])
    func faultyChats(record: String, problem: String) {
        #expect(failure { _ = try load(record, .chat()) }.contains(problem))
    }

    @Test func textWithoutTokenizerSaysWhatToDo() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.txt", "one\n")
        let problem = failure {
            let source = DataSource(path: path, kind: .completion())
            _ = try Dataset.load([source], encoder: nil, renderer: nil)
        }
        #expect(problem.contains("a.txt:1: text cannot be used: the model has no tokenizer"))
    }

    @Test func aChatWithoutTemplateSaysWhatToDo() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.jsonl", "{\"messages\": []}")
        let problem = failure {
            let source = DataSource(path: path, kind: .chat())
            _ = try Dataset.load([source], encoder: ByteEncoder(), renderer: nil)
        }
        #expect(problem.contains("no chat template") && problem.contains("chat_template_jinja"))
    }

    @Test func tokensBeyondTheVocabularyAreRefused() {
        var options = Dataset.Options()
        options.vocabularySize = 100
        let problem = failure {
            _ = try load("{\"input_ids\": [5, 100]}", .tokens, options: options)
        }
        #expect(problem.contains("token 100 is not in the model's vocabulary of 100"))
    }
}
