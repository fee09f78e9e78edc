internal import ApusBase
internal import CApusHost
internal import Dispatch
internal import Synchronization

/// A long read on several threads: one alone waits for the disk, or converts slower than a disk's
/// cache delivers.
enum ParallelRead {
    /// Bytes of a thread's turn; shorter reads are left to the calling thread.
    static let spanBytes = 4 << 20
    /// More are not faster: memory is the limit.
    private static let mostThreads = 4

    private struct State {
        var next: Int
        var failure: FileError?
    }

    /// Calls `read` with ranges that cover `elements`, at the same time. Throws the first failure,
    /// when all threads have ended.
    static func forEachSpan(
        of elements: Range<Int>, length: Int,
        _ read: @Sendable (Range<Int>) throws(FileError) -> Void
    ) throws(FileError) {
        let spans = (elements.count + length - 1) / length
        let threads = min(spans, mostThreads, Int(apus_usable_cores()))
        if threads < 2 { return try read(elements) }
        let state = Mutex(State(next: elements.lowerBound))
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            while let span = take(length, of: elements, from: state) {
                do throws(FileError) {
                    try read(span)
                } catch {
                    state.withLock { if $0.failure == nil { $0.failure = error } }
                }
            }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    private static func take(
        _ length: Int, of elements: Range<Int>, from state: borrowing Mutex<State>
    ) -> Range<Int>? {
        state.withLock { state in
            guard state.failure == nil, state.next < elements.upperBound else { return nil }
            let span = state.next..<min(state.next + length, elements.upperBound)
            state.next = span.upperBound
            return span
        }
    }
}

/// Memory that threads fill, each its own part.
struct SharedDestination: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
}
