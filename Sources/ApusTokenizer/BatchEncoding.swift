internal import Dispatch
internal import Synchronization

extension Tokenizer {
    /// The token ids of many texts, encoded on several threads; in the order of the texts.
    ///
    /// - Parameter threadCount: at least 1; more than the machine has cores gains nothing.
    public func encodeBatch(
        _ texts: [String], addSpecialTokens: Bool = true, threadCount: Int
    ) -> [[Int32]] {
        BatchWork.map(texts, threadCount: threadCount) {
            encode($0, addSpecialTokens: addSpecialTokens)
        }
    }

    /// The token ids of many texts and where in them each token stands; in the order of the texts.
    ///
    /// - Parameter threadCount: at least 1; more than the machine has cores gains nothing.
    public func encodeBatchWithOffsets(
        _ texts: [String], addSpecialTokens: Bool = true, threadCount: Int
    ) -> [Encoding] {
        BatchWork.map(texts, threadCount: threadCount) {
            encodeWithOffsets($0, addSpecialTokens: addSpecialTokens)
        }
    }

    /// Many pairs of texts, each as one input; in the order of the pairs.
    ///
    /// - Parameter threadCount: at least 1; more than the machine has cores gains nothing.
    public func encodePairBatch(
        _ pairs: [(first: String, second: String)], addSpecialTokens: Bool = true, threadCount: Int
    ) -> [Encoding] {
        BatchWork.map(pairs, threadCount: threadCount) {
            encodePair($0.first, $0.second, addSpecialTokens: addSpecialTokens)
        }
    }

    /// The texts of many lists of token ids; in their order.
    ///
    /// - Parameter threadCount: at least 1; more than the machine has cores gains nothing.
    public func decodeBatch(
        _ lists: [[Int32]], skipSpecialTokens: Bool = false, threadCount: Int
    ) -> [String] {
        BatchWork.map(lists, threadCount: threadCount) {
            decode($0, skipSpecialTokens: skipSpecialTokens)
        }
    }
}

/// Hands out ranges of a batch to threads and collects what they make of them. Ranges are small, so
/// that one long text holds up nobody.
final class BatchWork<Result: Sendable>: Sendable {
    private struct State {
        var next = 0
        var done: [(start: Int, results: [Result])] = []
    }

    private let count: Int
    private let state = Mutex(State())
    private static var rangeLength: Int { 16 }

    private init(count: Int) { self.count = count }

    static func map<Element: Sendable>(
        _ elements: [Element], threadCount: Int, _ transform: @Sendable (Element) -> Result
    ) -> [Result] {
        precondition(threadCount > 0, "Tokenizer: a batch needs at least one thread")
        if threadCount == 1 { return elements.map(transform) }
        let work = BatchWork(count: elements.count)
        let threads = min(threadCount, max(elements.count, 1))
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            while let range = work.take() {
                work.store(elements[range].map(transform), at: range.lowerBound)
            }
        }
        return work.results()
    }

    private func take() -> Range<Int>? {
        state.withLock { state in
            guard state.next < count else { return nil }
            let range = state.next..<min(state.next + Self.rangeLength, count)
            state.next = range.upperBound
            return range
        }
    }

    private func store(_ results: [Result], at start: Int) {
        state.withLock { $0.done.append((start, results)) }
    }

    private func results() -> [Result] {
        state.withLock { state in
            state.done.sorted { $0.start < $1.start }.flatMap(\.results)
        }
    }
}
