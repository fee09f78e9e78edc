import ApusBase
import ApusData
import Testing

/// Samples of the given lengths; sample i consists of the token i.
func samples(_ lengths: [Int]) -> TokenStore {
    var store = TokenStore()
    for (index, length) in lengths.enumerated() {
        let ids = [Int32](repeating: Int32(index), count: length)
        store.append(TokenizedSample(inputIDs: ids, labels: ids))
    }
    return store
}

/// The sample of each document of a micro-batch, in order.
func documents(_ batch: MicroBatch) -> [Int32] {
    (0..<batch.rows).flatMap { row -> [Int32] in
        let places = (row * batch.length)..<((row + 1) * batch.length)
        let starts = places.filter { batch.documents[$0] > 0 && batch.positions[$0] == 0 }
        return starts.map { batch.inputIDs[$0] }
    }
}

@Suite struct BatchTests {
    /// All ranks' samples, by step of the first `epochs` epochs.
    func steps(
        _ store: TokenStore, _ options: BatchOptions, worldSize: Int, epochs: Int
    ) -> [[Int32]] {
        var ranks = (0..<worldSize).map {
            TrainingBatches(store, options, rank: $0, worldSize: worldSize)
        }
        return (0..<(ranks[0].stepsPerEpoch * epochs)).map { _ in
            let windows = ranks.indices.map { ranks[$0].next() }
            #expect(Set(windows.map(\.microSteps)).count == 1)
            #expect(Set(windows.map(\.trainedTokenCount)).count == 1)
            let batches = windows.flatMap { window in
                (0..<window.microSteps).compactMap { window.microBatch($0) }
            }
            let trained = batches.reduce(0) { $0 + $1.trainedTokenCount }
            #expect(trained == windows[0].trainedTokenCount)
            #expect(batches.reduce(0) { $0 + $1.tokenCount } == windows[0].tokenCount)
            return batches.flatMap { documents($0) }.sorted()
        }
    }

    @Test(arguments: 1...5, 1...4)
    func everySampleOnceAnEpochOnDisjointRanks(worldSize: Int, accumulation: Int) {
        for count in [1, 2, 7, 12, 23] {
            for microBatchSize in [1, 3] {
                let store = samples((0..<count).map { 2 + $0 % 4 })
                var options = BatchOptions()
                options.microBatchSize = microBatchSize
                options.accumulationSteps = accumulation
                let steps = steps(store, options, worldSize: worldSize, epochs: 2)
                let half = steps.count / 2
                let all = (0..<Int32(count)).map { $0 }
                #expect(steps[..<half].flatMap { $0 }.sorted() == all)
                #expect(steps[half...].flatMap { $0 }.sorted() == all)
                let full = microBatchSize * accumulation * worldSize
                #expect(steps[..<(half - 1)].allSatisfy { $0.count == full })
            }
        }
    }

    @Test(arguments: [1, 5, 16, 21], [false, true])
    func ranksTimesAccumulationSeeTheSameSteps(count: Int, packing: Bool) {
        let store = samples((0..<count).map { 2 + $0 * 5 % 7 })
        var options = BatchOptions()
        options.packing = packing
        options.sequenceLength = 16
        let variants = [(1, 4), (2, 2), (4, 1)].map { worldSize, accumulation in
            options.accumulationSteps = accumulation
            return steps(store, options, worldSize: worldSize, epochs: 3)
        }
        #expect(variants[0] == variants[1])
        #expect(variants[0] == variants[2])
    }

    @Test func aShortWindowLeavesRanksWithoutRepeatingRows() {
        let store = samples([2, 2, 2, 2, 2])
        var options = BatchOptions()
        options.accumulationSteps = 2
        var last: [OptimizerWindow] = []
        for rank in 0..<2 {
            var batches = TrainingBatches(store, options, rank: rank, worldSize: 2)
            #expect(batches.stepsPerEpoch == 2)
            #expect(!batches.next().isLastOfEpoch)
            last.append(batches.next())
        }
        #expect(last.map(\.microSteps) == [1, 1] && last.map(\.isLastOfEpoch) == [true, true])
        #expect(last[0].microBatch(0) != nil)
        #expect(last[1].microBatch(0) == nil)
        #expect(last[0].rowCount == 1 && last[0].trainedTokenCount == 1)
    }

    @Test func orderOfTheFileOrOfTheSeed() {
        let store = samples([Int](repeating: 2, count: 50))
        func order(_ shuffles: Bool, seed: UInt64, epochs: Int = 1) -> [[Int32]] {
            var options = BatchOptions()
            options.shuffles = shuffles
            options.seed = seed
            return steps(store, options, worldSize: 1, epochs: epochs)
        }
        let inOrder = (0..<Int32(50)).map { [$0] }
        #expect(order(false, seed: 1) == inOrder)
        #expect(order(true, seed: 1) != inOrder)
        #expect(order(true, seed: 1) == order(true, seed: 1))
        #expect(order(true, seed: 1) != order(true, seed: 2))
        let two = order(true, seed: 1, epochs: 2)
        #expect(two[..<50] != two[50...])
    }

    @Test func paddingGoesToTheLongestRowOrAMultiple() throws {
        let store = samples([3, 5])
        var options = BatchOptions()
        options.microBatchSize = 2
        options.shuffles = false
        options.paddingID = 77
        var batches = TrainingBatches(store, options)
        let batch = try #require(batches.next().microBatch(0))
        #expect(batch.rows == 2 && batch.length == 5 && !batch.isPacked)
        #expect(batch.inputIDs == [0, 0, 0, 77, 77, 1, 1, 1, 1, 1])
        #expect(batch.labels == [-100, 0, 0, -100, -100, -100, 1, 1, 1, 1])
        #expect(batch.positions == [0, 1, 2, 0, 0, 0, 1, 2, 3, 4])
        #expect(batch.documents == [1, 1, 1, 0, 0, 1, 1, 1, 1, 1])
        #expect(batch.tokenCount == 8 && batch.trainedTokenCount == 6)
        options.padsToMultipleOf = 8
        var multiple = TrainingBatches(store, options)
        #expect(multiple.next().microBatch(0)?.length == 8)
        options.padsToSequenceLength = true
        options.sequenceLength = 20
        var fixed = TrainingBatches(store, options)
        #expect(fixed.next().microBatch(0)?.length == 24)
    }

    @Test func packedRowsRestartPositionsAndMarkDocuments() throws {
        let store = samples([3, 2, 4])
        var options = BatchOptions()
        options.packing = true
        options.sequenceLength = 9
        options.padsToSequenceLength = true
        options.shuffles = false
        var batches = TrainingBatches(store, options)
        #expect(batches.rowsPerEpoch == 1)
        #expect(batches.packingEfficiency == 1)
        let batch = try #require(batches.next().microBatch(0))
        #expect(batch.isPacked)
        #expect(batch.inputIDs == [0, 0, 0, 1, 1, 2, 2, 2, 2])
        #expect(batch.labels == [-100, 0, 0, -100, 1, -100, 2, 2, 2])
        #expect(batch.positions == [0, 1, 2, 0, 1, 0, 1, 2, 3])
        #expect(batch.documents == [1, 1, 1, 2, 2, 3, 3, 3, 3])
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func packingKeepsEverySampleAndWastesLittle(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let lengths = (0..<400).map { _ in Int.random(in: 1...64, using: &random) }
        var options = BatchOptions()
        options.packing = true
        options.sequenceLength = 64
        options.shuffles = false
        let batches = TrainingBatches(samples(lengths), options)
        let total = lengths.reduce(0, +)
        #expect(batches.rowsPerEpoch <= (total + 63) / 64 * 11 / 9 + 1)
        #expect(batches.packingEfficiency > 0.95)
        let steps = steps(samples(lengths), options, worldSize: 1, epochs: 1)
        #expect(steps.flatMap { $0 }.sorted() == (0..<400).map { Int32($0) })
        // Rows begin with ever later samples: packing keeps the files' order as well as it can.
        #expect(steps.map { $0[0] } == steps.map { $0[0] }.sorted())
    }

    @Test(arguments: 1...5)
    func evaluationSeesEverySampleOnce(worldSize: Int) {
        for count in [1, 4, 11] {
            let store = samples((0..<count).map { 2 + $0 })
            var options = BatchOptions()
            options.microBatchSize = 2
            let ranks = (0..<worldSize).map {
                EvaluationBatches(store, options, rank: $0, worldSize: worldSize)
            }
            #expect(Set(ranks.map(\.microSteps)).count == 1)
            let batches = ranks.flatMap { rank in
                (0..<rank.microSteps).compactMap { rank.microBatch($0) }
            }
            #expect(batches.flatMap { documents($0) }.sorted() == (0..<Int32(count)).map { $0 })
            let trained = batches.reduce(0) { $0 + $1.trainedTokenCount }
            #expect(trained == ranks[0].trainedTokenCount)
        }
    }
}

@Suite struct DataCursorTests {
    func options(_ change: (inout BatchOptions) -> Void = { _ in }) -> BatchOptions {
        var options = BatchOptions()
        change(&options)
        return options
    }

    func next(_ batches: inout TrainingBatches, _ count: Int) -> [Int32] {
        (0..<count).flatMap { _ -> [Int32] in
            let window = batches.next()
            return (0..<window.microSteps).flatMap { step in
                window.microBatch(step).map { documents($0) } ?? []
            }
        }
    }

    @Test(arguments: 0...12)
    func resumingContinuesWhereItStopped(steps: Int) throws {
        let store = samples([Int](repeating: 2, count: 5))
        var straight = TrainingBatches(store, options())
        _ = next(&straight, steps)
        let saved = try #require(DataCursor(json: straight.cursor.json))
        var resumed = TrainingBatches(store, options())
        try resumed.resume(at: saved)
        #expect(next(&resumed, 7) == next(&straight, 7))
    }

    @Test func anotherNumberOfRanksContinuesTheSameEpoch() throws {
        let store = samples([Int](repeating: 2, count: 12))
        var one = TrainingBatches(store, options { $0.accumulationSteps = 4 })
        let before = next(&one, 1)
        var rest: [Int32] = []
        for rank in 0..<2 {
            var part = TrainingBatches(
                store, options { $0.accumulationSteps = 2 }, rank: rank, worldSize: 2)
            try part.resume(at: one.cursor)
            rest += next(&part, 2)
        }
        #expect((before + rest).sorted() == (0..<12).map { Int32($0) })
    }

    @Test func otherDataOrSeedIsRefused() throws {
        let store = samples([2, 2, 2])
        let cursor = TrainingBatches(store, options()).cursor
        var otherData = TrainingBatches(samples([2, 2, 3]), options())
        #expect(failure { try otherData.resume(at: cursor) }.contains("not the one"))
        var otherSeed = TrainingBatches(store, options { $0.seed = 7 })
        #expect(failure { try otherSeed.resume(at: cursor) }.contains("set seed: 42"))
        var packed = TrainingBatches(store, options { $0.packing = true })
        var late = TrainingBatches(store, options())
        _ = next(&late, 2)
        #expect(failure { try packed.resume(at: late.cursor) }.contains("sample_packing"))
    }

    @Test(arguments: [
        "{}", "[]", "{\"epoch\": -1}", "{\"epoch\": 0, \"rows_used\": 1, \"seed\": 5}",
    ])
    func whatIsNoCursorIsRefused(text: String) throws {
        #expect(DataCursor(json: try JSON.parse(text)) == nil)
    }
}
