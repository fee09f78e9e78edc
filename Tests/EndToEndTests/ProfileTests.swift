import ApusBase
import ProgramTestSupport
import Testing

/// `apus train --profile` as a user meets it.
@Suite struct ProfileTests {
    @Test func everyRankLeavesATraceAndTheRunSaysWhatWasHidden() throws {
        let run = try TinyRun()
        let arguments =
            "--ranks 2 --profile --set max_steps=3 --set val_set_size=0.1 --set sharding=parameters"
        let result = try run.train(arguments)
        #expect(result.exitCode == 0, "\(result.output)")
        #expect(result.output.contains("\nprofile: "))
        #expect(result.output.contains("% hidden behind computation\n"))
        #expect(result.output.contains("/out/trace/rank-0.json\n"))
        for rank in 0..<2 {
            let trace = try JSON.parse(try run.text("out/trace/rank-\(rank).json"))
            let events = try #require(trace["traceEvents"]?.arrayValue)
            #expect(events.allSatisfy { $0["pid"]?.intValue == rank })
            let spans = events.filter { $0["ph"] == "X" }
            #expect(spans.allSatisfy { ($0["dur"]?.doubleValue ?? -1) >= 0 })
            func names(_ kind: String) -> [String] {
                spans.filter { $0["cat"]?.stringValue == kind }
                    .compactMap { $0["name"]?.stringValue }
            }
            #expect(names("other").filter { $0 == "evaluation" }.count == 2)
            // Three steps of two micro-batches.
            for kind in ["forward", "backward", "optimizer", "data", "gather", "wait"] {
                #expect(!names(kind).isEmpty, "\(kind)")
            }
            #expect(names("backward").filter { $0 == "model.layers.1" }.count == 6)
            #expect(names("optimizer") == ["update", "update", "update"])
            #expect(names("reduction").filter { $0 == "model.layers.0" }.count == 6)
        }
    }

    @Test func nothingIsRecordedWithoutBeingAsked() throws {
        let run = try TinyRun()
        #expect(try run.train("--set max_steps=1").exitCode == 0)
        #expect(try run.shell("ls out/trace").exitCode != 0)
    }
}
