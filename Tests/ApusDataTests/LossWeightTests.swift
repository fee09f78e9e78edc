import ApusData
import FileTestSupport
import Testing

/// Samples whose loss counts more or less.
@Suite struct LossWeightTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func load(_ lines: String, isCached: Bool = false) throws -> Dataset {
        var source = DataSource(path: try folder.write("data.jsonl", lines), kind: .tokens)
        source.lossWeightField = "importance"
        var options = Dataset.Options()
        if isCached { options.cache = DatasetCache(folder: folder.path, makers: []) }
        return try Dataset.load([source], encoder: nil, renderer: nil, options: options)
    }

    private let lines = """
        {"input_ids": [5, 6, 7], "importance": 2}
        {"input_ids": [8, 9], "importance": 0.5}
        {"input_ids": [3, 4, 5, 6], "importance": "1"}
        """

    @Test func weightsComeWithTheirSamples() throws {
        let data = try load(lines).samples
        #expect((0..<3).map { data.lossWeight($0) } == [2, 0.5, 1])
        #expect(data[1].lossWeight == 0.5)
        // Also out of the cache, the second time.
        for _ in 0..<2 {
            let cached = try load(lines, isCached: true).samples
            #expect((0..<3).map { cached.lossWeight($0) } == [2, 0.5, 1])
        }
    }

    /// Windows know the sum of weights over trained tokens, on every rank alike; each label has its
    /// sample's weight, also in packed rows, and padding counts one without being trained.
    @Test(arguments: [false, true])
    func batchesCarryThem(_ packing: Bool) throws {
        var options = BatchOptions()
        options.microBatchSize = 3
        options.packing = packing
        options.sequenceLength = 12
        options.shuffles = false
        var batches = TrainingBatches(try load(lines).samples, options)
        let window = batches.next()
        #expect(window.trainedTokenCount == 6)
        // 2 trained tokens of weight 2, 1 of 0.5 and 3 of 1.
        #expect(window.lossWeight == 7.5)
        let batch = try #require(window.microBatch(0))
        let weights = try #require(batch.lossWeights)
        let byToken: [Int32: Float] = [7: 2, 8: 0.5, 9: 0.5, 3: 1, 4: 1]
        for (id, weight) in zip(batch.inputIDs, weights) {
            if let wanted = byToken[id] { #expect(weight == wanted) }
        }
        var sum = 0.0
        for (label, weight) in zip(batch.labels, weights) where label != -100 {
            sum += Double(weight)
        }
        #expect(sum == window.lossWeight)
    }

    @Test func plainDataHasNone() throws {
        var batches = TrainingBatches(samples([3, 4]), BatchOptions())
        let window = batches.next()
        #expect(window.lossWeight == Double(window.trainedTokenCount))
        #expect(try #require(window.microBatch(0)).lossWeights == nil)
    }

    @Test(arguments: ["-1", "\"much\"", "null", "[1]"])
    func whatIsNoWeight(_ value: String) throws {
        #expect(throws: DataError.self) {
            try load(#"{"input_ids": [1, 2], "importance": \#(value)}"#)
        }
    }

    @Test func recordsWithoutTheField() throws {
        #expect(throws: DataError.self) { try load(#"{"input_ids": [1, 2], "imporance": 1}"#) }
    }
}
