import ApusBase
import ApusData
import Testing

@Suite struct PreviewTests {
    private func preview(_ lengths: [Int], stopIDs: Set<Int32> = [2]) throws -> DataPreview {
        let lines = lengths.map { "{\"text\": \"\(String(repeating: "x", count: $0))\"}" }
        return DataPreview(
            try load(lines.joined(separator: "\n"), .completion()), stopIDs: stopIDs)
    }

    /// Widths are 1, 2 or 5 times a power of ten; every sample is in one range.
    @Test func lengthsFallIntoRoundRanges() throws {
        // Two tokens more than characters: the beginning and the end.
        let lengths = try preview([1, 3, 8, 9, 40, 97]).lengths()
        #expect(lengths.map(\.range.lowerBound) == [1, 11, 21, 31, 41, 51, 61, 71, 81, 91])
        #expect(lengths.map(\.samples) == [3, 1, 0, 0, 1, 0, 0, 0, 0, 1])
        #expect(try preview([398]).lengths().last?.range == 351...400)
        #expect(try preview([3]).lengths().map(\.range).last == 5...5)
    }

    @Test func samplesWithoutATrainedStopAreCounted() throws {
        let masked = #"{"input_ids": [5, 6, 2], "labels": [5, 6, -100]}"#
        let data = try load(#"{"input_ids": [5, 6, 2]}"# + "\n" + masked, .tokens)
        #expect(DataPreview(data, stopIDs: [2]).samplesThatStop == 1)
        #expect(DataPreview(data, stopIDs: [9]).samplesThatStop == 0)
        #expect(DataPreview(data, stopIDs: []).samplesThatStop == nil)
    }

    @Test func whatIsNotWholeIsNamed() throws {
        var options = Dataset.Options()
        options.sequenceLength = 10
        let text = #"{"text": "short"}"# + "\n" + #"{"text": "much too long"}"#
        let data = try load(text, .completion(), options: options)
        let exclusion = try #require(data.exclusions.first)
        #expect(data.exclusions.count == 1 && exclusion.line == 2 && exclusion.tokens == 15)
        #expect(exclusion.description.hasSuffix("data.jsonl:2: dropped, too long (15 tokens)"))
        options.excessLength = .truncate
        #expect(try load(text, .completion(), options: options).exclusions[0].fate == .truncated)
    }
}
