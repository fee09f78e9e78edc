import ApusBase
import Testing

@Suite struct TraceTests {
    private struct Failure: Error {}

    private let trace = Trace()

    @Test func nothingIsRecordedUntilItStarts() {
        trace.span("before", .forward) {}
        trace.start()
        trace.span("during", .forward) {}
        let spans = trace.finish()
        trace.span("after", .forward) {}
        #expect(spans.map(\.name) == ["during"])
        trace.start()
        #expect(trace.finish().isEmpty)
    }

    @Test func spansOfFailuresEndToo() {
        trace.start()
        #expect(throws: Failure.self) {
            try trace.span("fails", .data) { throw Failure() }
        }
        #expect(trace.finish().map(\.name) == ["fails"])
    }

    @Test func beginningsAndEndsMeetByNameAndKind() {
        trace.start()
        trace.end("never begun", .backward)
        trace.begin("a", .backward)
        trace.begin("b", .backward)
        trace.begin("a", .forward)
        trace.end("a", .backward)
        trace.end("b", .backward)
        let spans = trace.finish()
        #expect(spans.map(\.name) == ["a", "b"])
        #expect(spans.allSatisfy { $0.kind == .backward && $0.end >= $0.start })
        #expect(spans[0].start <= spans[1].start)
    }
}

@Suite struct TraceFileTests {
    private let spans: [Trace.Span] = [
        .init("layer 0", .forward, start: 10, end: 11),
        .init("layer 1", .forward, start: 11, end: 12),
        .init("layer 1", .gather, start: 10.5, end: 11.5, byteCount: 3000),
        .init("layer 0", .reduction, start: 12, end: 13, byteCount: 1000),
        .init("layer 0", .wait, start: 12.5, end: 13),
    ]

    @Test func eventsAreThoseOfTheTraceEventFormat() throws {
        let json = TraceFile.json(spans, rank: 3, origin: 10)
        let events = try #require(json["traceEvents"]?.arrayValue)
        let complete = events.filter { $0["ph"] == "X" }
        #expect(complete.count == spans.count)
        #expect(complete.allSatisfy { $0["pid"] == 3 })
        #expect(complete[2]["ts"]?.doubleValue == 500_000)
        #expect(complete[2]["dur"]?.doubleValue == 1_000_000)
        #expect(complete[2]["args"]?["bytes"] == 3000)
        let rows = events.filter { $0["name"] == "thread_name" }
        #expect(Set(rows.compactMap { $0["args"]?["name"]?.stringValue })
            == ["forward", "gather", "reduction", "wait"])
        // Spans of one row never share it with another kind.
        #expect(Set(complete.map { "\($0["cat"]!)\($0["tid"]!)" }).count == 4)
        #expect(try JSON.parse(json.text()) == json)
    }

    @Test func theSummaryCountsEachMomentOnce() {
        let summary = TraceSummary(spans)
        #expect(summary.seconds == 3)
        #expect(summary.secondsOfKind[.forward] == 2)
        #expect(summary.communicationSeconds == 2)
        #expect(summary.waitSeconds == 0.5)
        #expect(summary.hiddenShare == 0.75)
        #expect(summary.byteCount == 4000)
        let communication = summary.lines.last
        #expect(communication?.title == "communication")
        #expect(communication?.text.contains("75 % hidden behind computation") == true)
        #expect(communication?.text.contains("4.0 kB") == true)
    }

    @Test func overlappingSpansDoNotAddUp() {
        let spans: [Trace.Span] = [
            .init("a", .gather, start: 0, end: 4), .init("b", .gather, start: 1, end: 2),
            .init("c", .reduction, start: 3, end: 6),
        ]
        let summary = TraceSummary(spans)
        #expect(summary.secondsOfKind[.gather] == 4)
        #expect(summary.communicationSeconds == 6)
        #expect(summary.hiddenShare == 1)
    }

    @Test func nothingIsSomething() {
        let summary = TraceSummary([])
        #expect(summary.hiddenShare == nil)
        #expect(summary.lines.count == 1)
    }
}
