import ApusBase
import ApusData
import FileTestSupport
import Testing

/// Pairs of answers of which one is preferred.
@Suite struct PreferenceTests {
    private func load(
        _ record: String, options: Dataset.Options = Dataset.Options()
    ) throws -> PreferenceDataset {
        let folder = try TemporaryFolder()
        let path = try folder.write("pairs.jsonl", record)
        return try PreferenceDataset.load(
            [path], encoder: ByteEncoder(), renderer: ChatML(), options: options)
    }

    @Test func answersToOnePromptAreTrained() throws {
        let pairs = try load(#"{"prompt": "2+2=", "chosen": "4", "rejected": "five"}"#)
        #expect(pairs.count == 1 && pairs.report.samples == 1)
        #expect(ByteEncoder.text(pairs.chosen[0].inputIDs) == "<3>2+2=4<|im_end|>")
        #expect(trainedText(pairs.chosen[0]) == "4<|im_end|>")
        #expect(trainedText(pairs.rejected[0]) == "five<|im_end|>")
    }

    /// The prompt is what both begin with, up to a whole word.
    @Test func thePromptMayStandInBothAnswers() throws {
        let record = #"{"chosen": "Say hello", "rejected": "Say help"}"#
        let pairs = try load(record)
        #expect(trainedText(pairs.chosen[0]) == " hello<|im_end|>")
        #expect(trainedText(pairs.rejected[0]) == " help<|im_end|>")
    }

    @Test func conversationsKeepOnlyTheirLastAnswersTrained() throws {
        let record = """
            {"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, \
            {"role": "user", "content": "c"}, {"role": "assistant", "content": "good"}], \
            "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, \
            {"role": "user", "content": "c"}, {"role": "assistant", "content": "bad"}]}
            """
        let pairs = try load(record)
        #expect(trainedText(pairs.chosen[0]) == "good<|im_end|>")
        #expect(trainedText(pairs.rejected[0]) == "bad<|im_end|>")
    }

    @Test func pairsAreDroppedTogether() throws {
        var options = Dataset.Options()
        options.sequenceLength = 8
        let long = #"{"prompt": "p", "chosen": "short", "rejected": "much longer"}"#
        let short = #"{"prompt": "p", "chosen": "a", "rejected": "b"}"#
        let pairs = try load(long + "\n" + short, options: options)
        #expect(pairs.count == 1 && pairs.report.dropped[.tooLong] == 1)
    }

    @Test func faultsNameTheLine() {
        let message = failure {
            _ = try load(#"{"prompt": "p", "chosen": "a", "reject": "b"}"#)
        }
        #expect(message.contains("pairs.jsonl:1: the record has no \"rejected\""))
        #expect(message.contains("name the field \"reject\""))
    }
}
