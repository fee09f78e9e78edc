internal import ApusBase
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What the ranks of a Gloo group tell each other about themselves through the store.
///
/// A thread of its own publishes where this rank is, at most twice a second and only when it
/// changed; so an operation costs no round trip. Keys: `<group>/place/<rank>`,
/// `<group>/failed/<rank>`, `<group>/left/<rank>`, `<group>/gone/<rank>`.
///
/// `@unchecked Sendable`: `place` is a mutex; each store connection is used by one thread.
final class RankBoard: @unchecked Sendable {
    private struct Own {
        var text = "outside 0 "
        var isPublished = false
    }

    private let group: String
    let rank: Int
    let globalRanks: [Int]
    let timeoutSeconds: Double
    private var worldSize: Int { globalRanks.count }
    /// For the thread that executes operations.
    private let store: KeyValueStore
    private let place = Mutex(Own())
    private let publisher = PeriodicThread(milliseconds: 500)

    init(
        group: String, rank: Int, globalRanks: [Int], timeoutSeconds: Double,
        store: KeyValueStore
    ) throws(CommError) {
        self.group = group
        self.rank = rank
        self.globalRanks = globalRanks
        self.timeoutSeconds = timeoutSeconds
        self.store = store
        let connection = try store.clone()
        publisher.start { [weak self] in self?.publish(connection) }
    }

    func enter(_ call: CallText) { move("inside", call) }
    func stepOut(_ call: CallText) { move("outside", call) }

    private func move(_ presence: String, _ call: CallText) {
        let text = "\(presence) \(time(nil)) \(call.text)"
        place.withLock { $0 = Own(text: text, isPublished: false) }
    }

    /// The network may be gone; then the others find out by themselves.
    private func publish(_ connection: KeyValueStore) {
        let text = place.withLock { own in
            defer { own.isPublished = true }
            return own.isPublished ? nil : own.text
        }
        if let text { try? connection.set("\(group)/place/\(rank)", text) }
    }

    // MARK: - When something went wrong

    /// Publishes that this rank's operation failed and waits a moment for the others' news.
    ///
    /// - Returns: where all ranks are, and how it began; nil when the store is gone, and so rank 0.
    func gather(
        _ code: CommError.Code, own: RankPlace
    ) -> (places: [RankPlace], code: CommError.Code)? {
        publisher.stop()
        do {
            try store.set("\(group)/place/\(rank)", place.withLock { $0.text })
            try store.set("\(group)/failed/\(rank)", code == .timedOut ? Self.timedOut : "")
            // After a time-out the silent ranks are the ones that are elsewhere.
            let silent = code == .timedOut ? [] : try silentRanks()
            let places = try (0..<worldSize).map { peer in
                peer == rank ? own : try read(peer, isDead: silent?.contains(peer) ?? false)
            }
            return (places, silent == nil ? .timedOut : code)
        } catch {
            return nil
        }
    }

    private static let timedOut = "timed out"

    /// Who says nothing for two seconds, while everybody alive finds its connections broken; nil
    /// when a rank says that it ran out of time and so broke them.
    private func silentRanks() throws(CommError) -> Set<Int>? {
        var silent = Set(0..<worldSize).subtracting([rank])
        for _ in 0..<40 {
            for peer in silent {
                if try store.has("\(group)/left/\(peer)") {
                    silent.remove(peer)
                } else if let word = try failure(of: peer) {
                    if word == Self.timedOut { return nil }
                    silent.remove(peer)
                }
            }
            if silent.isEmpty { break }
            usleep(50_000)
        }
        return silent
    }

    private func failure(of peer: Int) throws(CommError) -> String? {
        let key = "\(group)/failed/\(peer)"
        return try store.has(key) ? try store.get(key, timeoutSeconds: 2) : nil
    }

    private func read(_ peer: Int, isDead: Bool) throws(CommError) -> RankPlace {
        let key = "\(group)/place/\(peer)"
        let text = try store.has(key) ? try store.get(key, timeoutSeconds: 2) : ""
        let fields = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        let call = fields.count == 3 ? CallText(text: String(fields[2])) : nil
        let since = fields.count == 3 ? Int(fields[1]) ?? 0 : 0
        let seconds = since > 0 ? max(0, time(nil) - since) : 0
        var presence: RankPlace.Presence =
            fields.first == "inside" ? .inside : fields.first == "outside" ? .outside : .unknown
        if isDead { presence = .dead }
        if try store.has("\(group)/left/\(peer)") {
            let words = try store.get("\(group)/left/\(peer)", timeoutSeconds: 2)
            presence = .left(words.isEmpty ? nil : words)
        }
        return RankPlace(
            rank: peer, presence: presence, tag: call?.tag, seconds: Double(seconds),
            isCurrent: !isDead)
    }

    // MARK: - Leaving

    /// Publishes the last words, unless the group had failed before: then they would be an echo.
    ///
    /// The store may already be gone, with nobody left to tell: failures here are of no interest.
    /// Rank 0, with whom the store goes, stays until the others have left too, or three seconds.
    func leave(_ lastWords: String?, afterFailure: Bool, hostsStore: Bool) {
        publisher.stop()
        if !afterFailure {
            try? store.set("\(group)/place/\(rank)", place.withLock { $0.text })
            try? store.set("\(group)/left/\(rank)", lastWords ?? "")
        }
        try? store.set("\(group)/gone/\(rank)", "")
        guard hostsStore else { return }
        for _ in 0..<60 {
            let areAllGone = (0..<worldSize).allSatisfy { peer in
                (try? store.has("\(group)/gone/\(peer)")) ?? true
            }
            if areAllGone { return }
            usleep(50_000)
        }
    }
}
