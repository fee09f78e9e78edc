internal import Dispatch
internal import Synchronization

extension Tokenizer {
    /// The token ids of many texts, encoded on several threads; in the order of the texts.
    ///
    /// - Parameter threadCount: at least 1; more than the machine has cores gains nothing.
    public func encodeBatch(
        _ texts: [String], addSpecialTokens: Bool = true, threadCount: Int
    ) -> [[Int32]] {
        precondition(threadCount > 0, "Tokenizer.encodeBatch: needs at least one thread")
        let work = BatchWork(count: texts.count)
        DispatchQueue.concurrentPerform(iterations: min(threadCount, max(texts.count, 1))) { _ in
            while let range = work.take() {
                let ids = texts[range].map { encode($0, addSpecialTokens: addSpecialTokens) }
                work.store(ids, at: range.lowerBound)
            }
        }
        return work.results()
    }
}

/// Hands out ranges of texts to threads and collects what they make of them. Ranges are small, so
/// that one long text holds up nobody.
private final class BatchWork: Sendable {
    private struct State {
        var next = 0
        var done: [Int: [[Int32]]] = [:]
    }

    private let count: Int
    private let state = Mutex(State())
    private static let rangeLength = 16

    init(count: Int) { self.count = count }

    func take() -> Range<Int>? {
        state.withLock { state in
            guard state.next < count else { return nil }
            let range = state.next..<min(state.next + Self.rangeLength, count)
            state.next = range.upperBound
            return range
        }
    }

    func store(_ ids: [[Int32]], at start: Int) {
        state.withLock { $0.done[start] = ids }
    }

    func results() -> [[Int32]] {
        state.withLock { state in
            state.done.sorted { $0.key < $1.key }.flatMap(\.value)
        }
    }
}
