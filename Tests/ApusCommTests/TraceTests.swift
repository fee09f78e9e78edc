import ApusBase
import ApusComm
import ApusTensor
import Testing

/// What collectives tell the trace of the process. Other suites may write into it meanwhile.
@Suite struct CommTraceTests {
    @Test func collectivesAreSpansWithTheirBytes() throws {
        Trace.shared.start()
        _ = try LoopbackWorld.run(2) { group in
            let shard = Tensor.zeros([1000])
            let whole = Tensor.zeros([2000])
            let work = try group.startAllGather(shard, into: whole, label: "traced unit")
            try work.wait()
            try group.allReduce(whole, label: "traced sum")
            return true
        }
        let spans = Trace.shared.finish()
        let gathers = spans.filter { $0.kind == .gather && $0.name == "traced unit" }
        #expect(gathers.count == 2)
        #expect(gathers.allSatisfy { $0.byteCount == 8000 && $0.end >= $0.start })
        #expect(spans.filter { $0.kind == .reduction && $0.name == "traced sum" }.count == 2)
        // Standing still is told apart from moving.
        #expect(spans.filter { $0.kind == .wait && $0.name == "traced sum" }.count == 2)
    }
}
