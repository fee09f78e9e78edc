public import ApusBase

/// Ranks of several hosts, as many on each: shared memory inside a host, Gloo between hosts.
///
/// What is reduced crosses the network once per host, in as many streams as a host has ranks: each
/// rank exchanges its share with the ranks that have its place on the other hosts. Sums run over
/// the ranks of a host in ascending order, then over the hosts' sums in ascending order, whatever
/// the sizes; for bf16 and fp16 both in fp32, rounded once at the end.
public final class HierarchicalProcessGroup: ProcessGroup {
    public let rank: Int
    public let worldSize: Int

    private let engine: HierarchicalEngine
    private let queue: CollectiveQueue
    private let place: HierarchicalPlace

    init(_ engine: HierarchicalEngine, place: HierarchicalPlace) {
        self.engine = engine
        self.place = place
        queue = CollectiveQueue(
            engine, place.gloo.recorder,
            group: "\(place.gloo.group), shared memory and gloo among \(engine.grid.members)",
            globalRank: engine.grid.members[engine.rank])
        rank = engine.rank
        worldSize = engine.worldSize
    }

    deinit { leave(nil) }

    /// The job's store; its server lives in rank 0.
    var store: KeyValueStore { place.store }

    public var backend: String { "shared memory and gloo" }
    public var ledger: CommLedger { queue.ledger }

    public func start(_ collective: Collective) throws(CommError) -> Work {
        queue.start(collective)
    }

    public func run(_ collective: Collective) throws(CommError) { try queue.run(collective) }

    /// Ranks of one host talk through shared memory, one rank of each host through Gloo, equally
    /// many of each host through both, any others through Gloo.
    public func subgroup(_ ranks: [Int], name: String) throws(CommError) -> any ProcessGroup {
        guard let position = ranks.firstIndex(of: rank) else {
            preconditionFailure("subgroup \(name): rank \(rank) is not among \(ranks)")
        }
        if ranks.count == 1 { return SingleRankProcessGroup() }
        queue.drain()
        let grid = engine.grid
        let ownHost = ranks.filter { grid.host($0) == grid.host(rank) }
        let locals = ownHost.map(grid.local)
        if ownHost.count == ranks.count { return try engine.inside.subgroup(locals, name: name) }
        let members = ranks.map { grid.members[$0] }
        let inner = place.inner(name)
        let counts = Set(Dictionary(grouping: ranks, by: grid.host).values.map(\.count))
        guard counts == [ownHost.count], ownHost.count > 1 else {
            return try inner.joinFlat(rank: position, members)
        }
        let inside = try engine.inside.subgroup(locals, name: name)
        return try inner.join(
            rank: position, HostGrid(members: members, localSize: ownHost.count), inside: inside)
    }

    /// Memory that the ranks of this host read in place.
    public func allocateShared(elementCount: Int, dtype: DType) -> CommBuffer? {
        engine.inside.allocateShared(elementCount: elementCount, dtype: dtype)
    }

    public func leave(_ lastWords: String?) {
        queue.stop(lastWords)
        engine.leave(lastWords)
    }
}

/// Which ranks of a group lie on which host: equally many on each, host by host.
struct HostGrid {
    /// What the ranks are called in messages: their numbers in the outermost group.
    let members: [Int]
    let localSize: Int

    var hostCount: Int { members.count / localSize }
    func host(_ rank: Int) -> Int { rank / localSize }
    func local(_ rank: Int) -> Int { rank % localSize }
    /// One rank of each host: those that have place `local` there.
    func counterparts(_ local: Int) -> [Int] {
        (0..<hostCount).map { members[$0 * localSize + local] }
    }
}
