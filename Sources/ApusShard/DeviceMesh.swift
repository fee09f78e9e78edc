/// Ranks arranged along named axes: `[replica: 2, shard: 4]` puts ranks 0 to 3 into the first
/// replica. The last axis varies fastest, so that neighbours on a host share its groups.
public struct DeviceMesh: Sendable, Hashable {
    public struct Axis: Sendable, Hashable {
        public let name: String
        public let size: Int

        public init(_ name: String, size: Int) {
            precondition(size > 0, "DeviceMesh: the axis \(name) has size \(size)")
            self.name = name
            self.size = size
        }
    }

    public let axes: [Axis]

    public init(_ axes: [Axis]) {
        precondition(Set(axes.map(\.name)).count == axes.count, "DeviceMesh: axes share a name")
        self.axes = axes
    }

    public var worldSize: Int { axes.reduce(1) { $0 * $1.size } }

    public func size(of axis: String) -> Int { axes[index(of: axis)].size }

    /// A rank's position along an axis.
    public func coordinate(of rank: Int, along axis: String) -> Int {
        rank / stride(of: axis) % size(of: axis)
    }

    /// The ranks, ascending, that differ from `rank` in their position along `axis` only.
    public func ranks(along axis: String, of rank: Int) -> [Int] {
        precondition(rank >= 0 && rank < worldSize, "DeviceMesh: rank \(rank) of \(worldSize)")
        let stride = stride(of: axis)
        let first = rank - coordinate(of: rank, along: axis) * stride
        return (0..<size(of: axis)).map { first + $0 * stride }
    }

    private func stride(of axis: String) -> Int {
        axes[(index(of: axis) + 1)...].reduce(1) { $0 * $1.size }
    }

    private func index(of axis: String) -> Int {
        guard let index = axes.firstIndex(where: { $0.name == axis }) else {
            preconditionFailure("DeviceMesh: no axis \(axis) among \(axes.map(\.name))")
        }
        return index
    }
}

extension DeviceMesh {
    /// Replicas of groups that share one copy of the model; nil when groups of `groupSize` do not
    /// fill the world.
    public static func sharding(worldSize: Int, groupSize: Int?) -> DeviceMesh? {
        let size = groupSize ?? worldSize
        guard size > 0, worldSize.isMultiple(of: size) else { return nil }
        return DeviceMesh([Axis("replica", size: worldSize / size), Axis("shard", size: size)])
    }
}
