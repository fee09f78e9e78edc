import ApusComm
import ApusTensor
import Testing

@Suite struct CommLedgerTests {
    /// A step of ZeRO stage 2 moves the gradients once and the parameters once.
    @Test func countsBytesAsThePapersDo() throws {
        let volumes = try LoopbackWorld.run(2) { group in
            let whole = Tensor.ones([1000])
            let shard = Tensor.ones([500])
            try group.reduceScatter(whole, into: shard)
            try group.allGather(shard, into: whole)
            #expect(group.ledger.traffic(.reduceScatter).payloadBytes == 4000)
            #expect(group.ledger.traffic(.allGather).operations == 1)
            #expect(group.ledger.volumeBytes == 8000)
            try group.allReduce(whole)
            return group.ledger.volumeBytes
        }
        #expect(volumes == [16_000, 16_000])
    }

    @Test func keepsTheLastOperationsInOrder() throws {
        let group = SingleRankProcessGroup()
        for index in 1...300 { try group.allReduce(Tensor.ones([1]), label: "step \(index)") }
        let entries = group.ledger.entries
        #expect(entries.count == 256)
        #expect(entries.first?.tag.label == "step 45")
        #expect(entries.last?.tag.label == "step 300")
        #expect(entries.allSatisfy { $0.ended != nil })
    }

    @Test func theRecordShowsWhatDidNotEnd() {
        let texts = LoopbackWorld.results(2) { group in
            try group.barrier(label: "start")
            if group.rank == 1 { return group.ledger.text() }
            try? group.allReduce(Tensor.ones([2]), label: "loss")
            return group.ledger.text()
        }
        let text = try? texts[0].get()
        #expect(text?.contains("barrier #1 of start  took") == true)
        #expect(text?.contains("all-reduce #2 of loss (8 B float32)  failed") == true)
    }
}
