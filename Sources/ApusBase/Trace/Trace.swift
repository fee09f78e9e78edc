internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Where the time of this process goes: spans that any thread records, off until `start()`.
///
/// A span that is not recorded costs one load. What is recorded is kept in memory, at most
/// `limit` spans, until `finish()`.
public final class Trace: Sendable {
    /// The trace of this process, into which engine and collectives write.
    public static let shared = Trace()

    /// What happens in a span. Each kind has a row of its own in the picture.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case data, forward, backward, optimizer
        /// A collective as it is executed, often on a thread of its own.
        case gather, reduction, exchange
        /// The thread that computes stands still until a collective is done.
        case wait
        /// Evaluation, saving, and whatever else a run does beside training.
        case other
    }

    public struct Span: Sendable, Hashable {
        public let name: String
        public let kind: Kind
        /// Seconds of a monotonic clock that all processes of a host share.
        public let start: Double
        public let end: Double
        /// Moved by a collective; 0 for others.
        public let byteCount: Int

        public init(
            _ name: String, _ kind: Kind, start: Double, end: Double, byteCount: Int = 0
        ) {
            self.name = name
            self.kind = kind
            self.start = start
            self.end = end
            self.byteCount = byteCount
        }
    }

    /// More would be gigabytes: a few hours of training.
    public static let limit = 4_000_000

    private struct Opened: Hashable {
        let name: String
        let kind: Kind
    }

    private struct State {
        var spans: [Span] = []
        /// Beginnings without an end yet.
        var open: [Opened: Double] = [:]
    }

    private let isRecording = Atomic(false)
    private let state = Mutex(State())

    public init() {}

    public var isOn: Bool { isRecording.load(ordering: .relaxed) }

    /// Begins to record.
    public func start() { isRecording.store(true, ordering: .relaxed) }

    /// Ends recording. Returns the spans in the order of their beginning.
    public func finish() -> [Span] {
        isRecording.store(false, ordering: .relaxed)
        let spans = state.withLock { state in
            defer { state = State() }
            return state.spans
        }
        return spans.sorted { $0.start < $1.start }
    }

    /// Runs `body` as a span.
    public func span<Result, Failure: Error>(
        _ name: @autoclosure () -> String, _ kind: Kind, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard isOn else { return try body() }
        let start = Self.now
        defer { record(Span(name(), kind, start: start, end: Self.now)) }
        return try body()
    }

    /// Marks the beginning of what ends with `end` of the same name and kind, perhaps in another
    /// function.
    public func begin(_ name: @autoclosure () -> String, _ kind: Kind) {
        guard isOn else { return }
        let opened = Opened(name: name(), kind: kind)
        let start = Self.now
        state.withLock { $0.open[opened] = start }
    }

    /// An end without a beginning is ignored: recording may have started between them.
    public func end(_ name: @autoclosure () -> String, _ kind: Kind) {
        guard isOn else { return }
        let opened = Opened(name: name(), kind: kind)
        let end = Self.now
        guard let start = state.withLock({ $0.open.removeValue(forKey: opened) }) else { return }
        record(Span(opened.name, kind, start: start, end: end))
    }

    /// Adds what somebody has timed himself.
    public func record(_ span: @autoclosure () -> Span) {
        guard isOn else { return }
        let span = span()
        state.withLock { state in
            if state.spans.count < Self.limit { state.spans.append(span) }
        }
    }

    /// Seconds of the clock of all spans.
    public static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
