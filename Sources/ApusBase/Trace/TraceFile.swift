/// A trace in the form that Perfetto (ui.perfetto.dev) and Chrome (chrome://tracing) open: the
/// "JSON object format" of the Trace Event Format.
public enum TraceFile {
    /// One rank's spans. Times count from `origin`, in microseconds, so that the files of several
    /// ranks fit together when their `traceEvents` are joined.
    public static func json(_ spans: [Trace.Span], rank: Int, origin: Double = 0) -> JSON {
        var events: [JSON] = [metadata("process_name", "rank \(rank)", rank: rank, row: 0)]
        for kind in Trace.Kind.allCases where spans.contains(where: { $0.kind == kind }) {
            events.append(metadata("thread_name", kind.rawValue, rank: rank, row: kind.row))
        }
        events += spans.map { event($0, rank: rank, origin: origin) }
        return ["traceEvents": .array(events), "displayTimeUnit": "ms"]
    }

    private static func event(_ span: Trace.Span, rank: Int, origin: Double) -> JSON {
        var event: JSONObject = [
            "name": .string(span.name), "cat": .string(span.kind.rawValue), "ph": "X",
            "ts": .number((span.start - origin) * 1e6),
            "dur": .number((span.end - span.start) * 1e6), "pid": .integer(rank),
            "tid": .integer(span.kind.row),
        ]
        if span.byteCount > 0 { event["args"] = ["bytes": .integer(span.byteCount)] }
        return .object(event)
    }

    private static func metadata(_ kind: String, _ name: String, rank: Int, row: Int) -> JSON {
        [
            "name": .string(kind), "ph": "M", "pid": .integer(rank), "tid": .integer(row),
            "args": ["name": .string(name)],
        ]
    }
}

extension Trace.Kind {
    /// The row of the picture, from the top.
    fileprivate var row: Int {
        switch self {
        case .data: 1
        case .forward: 2
        case .backward: 3
        case .optimizer: 4
        case .wait: 5
        case .gather: 6
        case .reduction: 7
        case .exchange: 8
        case .other: 9
        }
    }
}
