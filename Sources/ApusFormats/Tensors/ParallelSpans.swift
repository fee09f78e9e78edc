internal import CApusHost
internal import Dispatch
internal import Synchronization

/// Long work on several threads, each taking the next span when it has done with one: a thread
/// alone converts, or copies into fresh memory, slower than a disk or its cache delivers.
public final class ParallelSpans<Failure: Error>: Sendable {
    private struct State {
        var next: Int
        var failure: Failure?
    }

    private let elements: Range<Int>
    private let length: Int
    private let threads: Int
    private let state: Mutex<State>

    /// More are not faster: memory is the limit.
    private static var mostThreads: Int { 4 }

    /// - elements: all that there is to do
    /// - length: of a span
    /// - threads: at most; nil for as many as this process may use, up to a few
    public init(_ elements: Range<Int>, length: Int, threads: Int? = nil) {
        self.elements = elements
        self.length = length
        self.threads = threads ?? min(Self.mostThreads, Int(apus_usable_cores()))
        state = Mutex(State(next: elements.lowerBound))
    }

    /// Calls `body` on every thread. Throws the first failure, when all threads have ended.
    public func onThreads(_ body: @Sendable () throws(Failure) -> Void) throws(Failure) {
        let spans = (elements.count + length - 1) / length
        let threads = min(spans, threads)
        if threads < 2 { return try body() }
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            do throws(Failure) {
                try body()
            } catch {
                state.withLock { if $0.failure == nil { $0.failure = error } }
            }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    /// The next span; nil when there is none, or a thread has failed.
    public func take() -> Range<Int>? { state.withLock { advance(&$0) } }

    /// The next span, for which `read` is called before another thread gets its own. Spans that
    /// come from a disk are read there: a disk, and the system's reading ahead, are fastest from
    /// beginning to end.
    public func take(
        _ read: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) -> Range<Int>? {
        try state.withLock { state throws(Failure) in
            guard let span = advance(&state) else { return nil }
            try read(span)
            return span
        }
    }

    private func advance(_ state: inout State) -> Range<Int>? {
        guard state.failure == nil, state.next < elements.upperBound else { return nil }
        // Shorter ones towards the end, so that all threads have done at about the same time.
        let rest = elements.upperBound - state.next
        let count = min(length, max(1, length / 8, rest / 4))
        let span = state.next..<min(state.next + count, elements.upperBound)
        state.next = span.upperBound
        return span
    }
}
