import ApusBase
import ApusData
import ApusFormats
import FileTestSupport
import Testing

@Suite struct DatasetTests {
    func tokens(_ lengths: [Int]) -> String {
        lengths.enumerated().map { index, length in
            let ids = (0..<length).map { String(index * 100 + $0) }.joined(separator: ",")
            return "{\"input_ids\": [\(ids)]}\n"
        }.joined()
    }

    func options(_ length: Int, _ strategy: ExcessLength) -> Dataset.Options {
        var options = Dataset.Options()
        options.sequenceLength = length
        options.excessLength = strategy
        return options
    }

    @Test func droppingIsCounted() throws {
        let data = try load(tokens([4, 9, 8, 1, 0, 20]), .tokens, options: options(8, .drop))
        #expect(data.samples.count == 2)
        #expect(data.report.records == 6 && data.report.samples == 2)
        #expect(data.report.dropped == [.tooLong: 2, .empty: 2])
        #expect(data.report.tokens == 12 && data.report.trainedTokens == 10)
        #expect(data.report.longestSample == 8 && data.report.longestRecord == 20)
        let text = data.report.description
        #expect(
            text == "2 samples, 12 tokens (83.3 % trained), longest 8; "
                + "dropped 4 (too long 2, empty 2)")
    }

    @Test func truncationIsCounted() throws {
        let data = try load(tokens([4, 9, 20]), .tokens, options: options(8, .truncate))
        #expect((0..<3).map { data.samples.length($0) } == [4, 8, 8])
        #expect(data.report.truncated == 2 && data.report.droppedCount == 0)
        #expect(data.samples[1].inputIDs == Array(100..<108))
    }

    @Test func longTextsCanBeSplit() throws {
        let data = try load(tokens([4, 20]), .tokens, options: options(8, .split))
        #expect((0..<data.samples.count).map { data.samples.length($0) } == [4, 8, 8, 4])
        #expect(data.report.split == 1)
        #expect(data.samples[2].labels.first == -100)
    }

    @Test func samplesWithNothingToTrainAreDropped() throws {
        let content = "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n"
        let error = #expect(throws: EmptyDatasetError.self) { try load(content, .chat()) }
        #expect(error?.report.dropped == [.nothingTrained: 1])
        #expect(error?.summary.contains("no sample is left of 1 records") == true)
        #expect(error?.remedy?.contains("roles_to_train") == true)
        // Cut before the answer begins.
        let chat =
            "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello there\"}, "
            + "{\"role\": \"assistant\", \"content\": \"Hi\"}]}\n"
        let cut = #expect(throws: EmptyDatasetError.self) {
            try load(chat, .chat(), options: options(10, .truncate))
        }
        #expect(cut?.report.dropped == [.nothingTrained: 1] && cut?.report.truncated == 0)
    }

    @Test func weightsRepeatSamplesForTrainingOnly() throws {
        let folder = try TemporaryFolder()
        let first = try folder.write("a.jsonl", tokens([2, 2, 2, 2]))
        let second = try folder.write("b.jsonl", tokens([3, 3, 3, 3]))
        let data = try Dataset.load(
            [
                DataSource(path: first, kind: .tokens, weight: 2.5),
                DataSource(path: second, kind: .tokens, weight: 0.5),
            ], encoder: ByteEncoder(), renderer: nil)
        #expect(data.samples.count == 8)
        let whole = data.split(validation: 0, seed: 1).training.samples
        let lengths = (0..<whole.count).map { whole.length($0) }
        #expect(lengths == [Int](repeating: 2, count: 10) + [3, 3])
        let (training, validation) = data.split(validation: 3, seed: 1)
        #expect(validation.samples.count == 3)
        func keys(_ store: TokenStore) -> Set<[Int32]> {
            Set((0..<store.count).map { store[$0].inputIDs })
        }
        #expect(keys(training.samples).isDisjoint(with: keys(validation.samples)))
    }

    @Test(arguments: [0.0, 0.1, 0.25, 3, 7, 100], [UInt64(1), 2])
    func splitIsExactAndKeepsTheOrder(size: Double, seed: UInt64) throws {
        let data = try load(tokens([Int](repeating: 3, count: 10)), .tokens)
        let (training, validation) = data.split(validation: size, seed: seed)
        let wanted = [0.0: 0, 0.1: 1, 0.25: 3, 3: 3, 7: 7, 100: 9][size]
        #expect(validation.samples.count == wanted)
        func firsts(_ part: Dataset) -> [Int32] {
            (0..<part.samples.count).map { part.samples[$0].inputIDs[0] }
        }
        let (kept, held) = (firsts(training), firsts(validation))
        #expect(kept == kept.sorted() && held == held.sorted())
        #expect((kept + held).sorted() == (0..<10).map { $0 * 100 })
        let again = data.split(validation: size, seed: seed)
        #expect(firsts(again.validation) == held)
        #expect(training.report.tokens + validation.report.tokens == data.report.tokens)
    }

    @Test func anotherSeedHoldsOutOthers() throws {
        let data = try load(tokens([Int](repeating: 3, count: 40)), .tokens)
        let splits = (0..<4).map {
            data.split(validation: 10, seed: $0).validation.samples.fingerprint
        }
        #expect(Set(splits).count == 4)
    }

    @Test func severalSourcesFollowEachOther() throws {
        let folder = try TemporaryFolder()
        let first = try folder.write("a.jsonl", tokens([2]))
        let second = try folder.write("b.txt", "hey\n")
        let data = try Dataset.load(
            [
                DataSource(path: first, kind: .tokens),
                DataSource(path: second, kind: .completion()),
            ],
            encoder: ByteEncoder(), renderer: nil)
        #expect(data.samples.count == 2)
        #expect(data.samples[0].inputIDs == [0, 1])
        #expect(ByteEncoder.text(data.samples[1].inputIDs) == "<3>hey<|im_end|>")
    }

    /// Tokens that do not fit into memory are read from files that have no name any more.
    @Test func whatIsTooMuchForMemoryIsReadFromFiles() throws {
        let lines = (0..<50).map { "{\"text\": \"sample number \($0)\"}" }
        let text = lines.joined(separator: "\n")
        let folder = try TemporaryFolder()
        var options = Dataset.Options()
        options.scratchFolder = folder.path
        options.memoryTokens = 100
        let (spilled, held) = (
            try load(text, .completion(), options: options), try load(text, .completion())
        )
        #expect(try FilePaths.names(in: folder.path).isEmpty)
        #expect(spilled.samples.fingerprint == held.samples.fingerprint)
        var batches = BatchOptions()
        batches.packing = true
        batches.sequenceLength = 64
        var (first, second) = (
            TrainingBatches(spilled.split(validation: 5, seed: 1).training.samples, batches),
            TrainingBatches(held.split(validation: 5, seed: 1).training.samples, batches)
        )
        for _ in 0..<first.stepsPerEpoch {
            #expect(first.next().microBatch(0) == second.next().microBatch(0))
        }
    }
}
