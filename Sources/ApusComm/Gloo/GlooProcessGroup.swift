/// Ranks that talk over TCP through c10d's Gloo backend: between hosts, or when asked for.
public final class GlooProcessGroup: ProcessGroup {
    public let rank: Int
    public let worldSize: Int
    /// The job's store; its server lives in rank 0.
    public let store: KeyValueStore

    private let engine: GlooEngine
    private let queue: CollectiveQueue
    private let place: GlooPlace

    init(_ engine: GlooEngine, place: GlooPlace, store: KeyValueStore) {
        self.engine = engine
        self.place = place
        self.store = store
        queue = CollectiveQueue(
            engine, place.recorder, group: "\(place.group), gloo among \(engine.globalRanks)",
            globalRank: engine.globalRanks[engine.rank])
        rank = engine.rank
        worldSize = engine.worldSize
    }

    deinit { leave(nil) }

    public var backend: String { "gloo" }
    public var ledger: CommLedger { queue.ledger }

    public func start(_ collective: Collective) throws(CommError) -> Work {
        queue.start(collective)
    }

    public func run(_ collective: Collective) throws(CommError) { try queue.run(collective) }

    public func subgroup(_ ranks: [Int], name: String) throws(CommError) -> any ProcessGroup {
        guard let position = ranks.firstIndex(of: rank) else {
            preconditionFailure("subgroup \(name): rank \(rank) is not among \(ranks)")
        }
        if ranks.count == 1 { return SingleRankProcessGroup() }
        var inner = place
        inner.group = "\(place.group)/\(name)"
        inner.rank = position
        queue.drain()
        return try inner.join(store, globalRanks: ranks.map { engine.globalRanks[$0] })
    }

    public func leave(_ lastWords: String?) {
        queue.stop(lastWords)
        engine.leave(lastWords, hostsStore: engine.globalRanks[rank] == 0)
    }
}
