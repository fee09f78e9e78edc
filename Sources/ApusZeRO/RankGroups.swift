public import ApusBase
internal import ApusComm
internal import ApusShard

/// The groups of ranks that an engine talks to.
struct RankGroups {
    /// All ranks, for numbers in host memory.
    let world: any ProcessGroup
    /// All ranks, for tensors where the engine has them.
    let data: any ProcessGroup
    /// Those that share one copy of what is sharded.
    let shard: any ProcessGroup
    /// Those that hold the same shard as this rank in the other copies.
    let replica: any ProcessGroup
    /// The ranks of `shard`, numbered in `world`.
    let shardMembers: [Int]

    /// - Throws: `EngineError` when the groups do not fill the world; `CommError`
    init(
        _ world: any ProcessGroup, data: any ProcessGroup, policy: ShardingPolicy
    ) throws {
        let size = policy.strategy == .none ? world.worldSize : policy.groupSize
        guard let mesh = DeviceMesh.sharding(worldSize: world.worldSize, groupSize: size) else {
            throw EngineError(
                "sharding groups of \(size ?? 0) ranks do not fill a world of \(world.worldSize)",
                likelyCause: "the number of ranks is no multiple of the group size",
                remedy: "choose a group size that divides the number of ranks, or none")
        }
        self.world = world
        self.data = data
        shardMembers = mesh.ranks(along: "shard", of: world.rank)
        shard = try Self.group(shardMembers, in: data, kind: "shard")
        replica = try Self.group(
            mesh.ranks(along: "replica", of: world.rank), in: data, kind: "replica")
    }

    /// Each of them once.
    var all: [any ProcessGroup] {
        [data, shard, replica].reduce(into: [world]) { groups, group in
            if !groups.contains(where: { $0 === group }) { groups.append(group) }
        }
    }

    private static func group(
        _ ranks: [Int], in world: any ProcessGroup, kind: String
    ) throws(CommError) -> any ProcessGroup {
        if ranks.count == world.worldSize { return world }
        return try world.subgroup(ranks, name: "\(kind)-\(ranks[0])")
    }
}

/// What an engine cannot do as it was asked.
public struct EngineError: OperationalError {
    public let summary: String
    public let likelyCause: String?
    public let remedy: String?

    init(_ summary: String, likelyCause: String? = nil, remedy: String? = nil) {
        self.summary = summary
        self.likelyCause = likelyCause
        self.remedy = remedy
    }
}
