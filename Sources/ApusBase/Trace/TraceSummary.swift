/// What a trace says in numbers: where the time went, and how much communication was hidden.
public struct TraceSummary: Sendable, Hashable {
    /// From the beginning of the first span to the end of the last.
    public let seconds: Double
    /// The time in which at least one span of a kind was under way.
    public let secondsOfKind: [Trace.Kind: Double]
    /// The time in which at least one collective was under way.
    public let communicationSeconds: Double
    /// Moved by collectives.
    public let byteCount: Int

    public init(_ spans: [Trace.Span]) {
        seconds = (spans.map(\.end).max() ?? 0) - (spans.map(\.start).min() ?? 0)
        var seconds: [Trace.Kind: Double] = [:]
        for (kind, spans) in Dictionary(grouping: spans, by: \.kind) {
            seconds[kind] = Self.covered(spans)
        }
        secondsOfKind = seconds
        communicationSeconds = Self.covered(spans.filter { $0.kind.isCommunication })
        byteCount = spans.reduce(0) { $0 + $1.byteCount }
    }

    /// The time for which computation stood still until a collective was done.
    public var waitSeconds: Double { secondsOfKind[.wait] ?? 0 }

    /// The share of communication that nobody waited for, from 0 to 1; nil without any.
    public var hiddenShare: Double? {
        guard communicationSeconds > 0 else { return nil }
        return max(0, 1 - waitSeconds / communicationSeconds)
    }

    /// A few lines for people: what about, and the figures.
    public var lines: [(title: String, text: String)] {
        let kinds: [(Trace.Kind, String)] = [
            (.data, "data"), (.forward, "forward"), (.backward, "backward"),
            (.optimizer, "optimizer"), (.other, "other"),
        ]
        var parts = kinds.compactMap { kind, name in
            secondsOfKind[kind].map { "\(name) \(part($0))" }
        }
        parts.append("waiting for other ranks \(part(waitSeconds))")
        let shares = parts.joined(separator: ", ")
        var lines = [(title: "profile", text: "\(seconds.fixed(1)) s; \(shares)")]
        if let hiddenShare {
            let moving = [(Trace.Kind.gather, "gathers"), (.reduction, "reductions")]
                .compactMap { kind, name in
                    secondsOfKind[kind].map { "\(name) \($0.fixed(2)) s" }
                }
            let percent = (hiddenShare * 100).fixed(0)
            let text =
                "\(communicationSeconds.fixed(2)) s for \(ByteCount(byteCount).decimal) "
                + "(\(moving.joined(separator: ", "))), \(percent) % hidden behind computation"
            lines.append((title: "communication", text: text))
        }
        return lines
    }

    private func part(_ time: Double) -> String {
        let share = seconds > 0 ? time / seconds * 100 : 0
        return "\(time.fixed(2)) s (\(share.fixed(0)) %)"
    }

    /// The length of the union of spans, which begin in ascending order or not.
    private static func covered(_ spans: [Trace.Span]) -> Double {
        var total = 0.0
        var reached = -Double.infinity
        for span in spans.sorted(by: { $0.start < $1.start }) where span.end > reached {
            total += span.end - max(span.start, reached)
            reached = span.end
        }
        return total
    }
}

extension Trace.Kind {
    var isCommunication: Bool { self == .gather || self == .reduction || self == .exchange }
}
