internal import ApusBase
internal import Synchronization

/// What one kind of operation has moved.
public struct Traffic: Sendable, Hashable {
    public var operations = 0
    /// Bytes of the whole tensors that the operations were about: `psi` of the ZeRO paper for a
    /// gather or reduce-scatter of all parameters.
    public var payloadBytes = 0

    public init() {}
}

/// A group's flight recorder: counters per kind and a ring of the last operations.
public final class CommLedger: Sendable {
    /// One operation; times are seconds of a monotonic clock that all processes of a host share.
    public struct Entry: Sendable {
        public let tag: OperationTag
        public let issued: Double
        public fileprivate(set) var began: Double?
        public fileprivate(set) var ended: Double?
        public fileprivate(set) var failed = false
    }

    private struct State {
        var traffic: [Collective.Kind: Traffic] = [:]
        var ring: [Entry] = []
        var count = 0
    }

    private let capacity: Int
    /// Whether operations take time that a trace should show.
    private let isTraced: Bool
    private let state = Mutex(State())

    public init(capacity: Int = 256, isTraced: Bool = true) {
        precondition(capacity > 0, "CommLedger: a capacity of \(capacity)")
        self.capacity = capacity
        self.isTraced = isTraced
    }

    /// Operations and bytes of `kind` so far.
    public func traffic(_ kind: Collective.Kind) -> Traffic {
        state.withLock { $0.traffic[kind] ?? Traffic() }
    }

    /// The volume per rank in the ZeRO paper's units (section 7): an all-reduce is a reduce-scatter
    /// and an all-gather, so it counts twice.
    public var volumeBytes: Int {
        state.withLock { state in
            state.traffic.reduce(0) { sum, item in
                sum + item.value.payloadBytes * (item.key == .allReduce ? 2 : 1)
            }
        }
    }

    /// The last operations, oldest first.
    public var entries: [Entry] {
        state.withLock { state in
            guard state.count > capacity else { return state.ring }
            let next = state.count % capacity
            return Array(state.ring[next...] + state.ring[..<next])
        }
    }

    /// The record as text, one operation a line, oldest first.
    public func text() -> String {
        let entries = entries
        guard let origin = entries.first?.issued else { return "no operation yet\n" }
        return entries.map { line($0, origin: origin) + "\n" }.joined()
    }

    private func line(_ entry: Entry, origin: Double) -> String {
        let issued = "\((entry.issued - origin).fixed(6)) s  \(entry.tag)"
        if entry.failed { return issued + "  failed" }
        guard let began = entry.began, let ended = entry.ended else {
            return issued + "  not ended"
        }
        return issued + "  took \(((ended - began) * 1000).fixed(3)) ms"
    }

    // MARK: - Written by the groups

    /// Counts an operation and returns the number by which its end is recorded.
    func issue(_ tag: OperationTag) -> Int {
        let now = monotonicSeconds()
        return state.withLock { state in
            state.traffic[tag.kind, default: Traffic()].operations += 1
            state.traffic[tag.kind, default: Traffic()].payloadBytes += tag.byteCount
            let entry = Entry(tag: tag, issued: now)
            if state.ring.count < capacity {
                state.ring.append(entry)
            } else {
                state.ring[state.count % capacity] = entry
            }
            state.count += 1
            return state.count - 1
        }
    }

    func end(_ number: Int, began: Double, ended: Double, failed: Bool) {
        let tag: OperationTag? = state.withLock { state in
            guard number >= state.count - capacity else { return nil }
            state.ring[number % capacity].began = began
            state.ring[number % capacity].ended = ended
            state.ring[number % capacity].failed = failed
            return state.ring[number % capacity].tag
        }
        guard isTraced, let tag else { return }
        Trace.shared.record(tag.span(began: began, ended: ended))
    }
}

extension OperationTag {
    fileprivate func span(began: Double, ended: Double) -> Trace.Span {
        let kind: Trace.Kind =
            switch self.kind {
            case .allGather: .gather
            case .reduceScatter, .allReduce, .reduce: .reduction
            default: .exchange
            }
        return Trace.Span(
            label ?? "\(self.kind)", kind, start: began, end: ended, byteCount: byteCount)
    }
}
