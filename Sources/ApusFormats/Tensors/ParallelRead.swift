public import ApusBase
internal import CApusHost
internal import Dispatch
internal import Synchronization

/// A long read on several threads, each taking the next span when it has done with one: a thread
/// alone converts, or copies into fresh memory, slower than a disk or its cache delivers.
public final class ParallelRead: Sendable {
    private struct State {
        var next: Int
        var failure: FileError?
    }

    private let elements: Range<Int>
    private let length: Int
    private let threads: Int
    private let state: Mutex<State>

    /// More are not faster: memory is the limit.
    private static let mostThreads = 4

    /// - elements: all that is read
    /// - length: of a span
    /// - threads: at most; nil for as many as this process may use, up to a few
    public init(_ elements: Range<Int>, length: Int, threads: Int? = nil) {
        self.elements = elements
        self.length = length
        self.threads = threads ?? min(Self.mostThreads, Int(apus_usable_cores()))
        state = Mutex(State(next: elements.lowerBound))
    }

    /// Calls `body` on every thread. Throws the first failure, when all threads have ended.
    public func onThreads(_ body: @Sendable () throws(FileError) -> Void) throws(FileError) {
        let spans = (elements.count + length - 1) / length
        let threads = min(spans, threads)
        if threads < 2 { return try body() }
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            do throws(FileError) {
                try body()
            } catch {
                state.withLock { if $0.failure == nil { $0.failure = error } }
            }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    /// The next span; nil when there is none, or a thread has failed.
    ///
    /// - read: is called before another thread gets its span. Spans that come from a disk are read
    ///   here: a disk, and the system's reading ahead, are fastest from beginning to end.
    public func take(
        _ read: (Range<Int>) throws(FileError) -> Void = { _ in }
    ) throws(FileError) -> Range<Int>? {
        try state.withLock { state throws(FileError) in
            guard state.failure == nil, state.next < elements.upperBound else { return nil }
            // Shorter ones towards the end, so that all threads have done at about the same time.
            let rest = elements.upperBound - state.next
            let count = min(length, max(1, length / 8, rest / 4))
            let span = state.next..<min(state.next + count, elements.upperBound)
            state.next = span.upperBound
            try read(span)
            return span
        }
    }
}
