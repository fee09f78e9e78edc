/// How a rank joins a group that spans hosts, once its host's ranks have met.
struct HierarchicalPlace {
    let store: KeyValueStore
    /// Interface and time-out of the connections between hosts; its `group` is the prefix of all
    /// keys.
    let gloo: GlooPlace

    func join(
        rank: Int, _ grid: HostGrid, inside: any ProcessGroup
    ) throws(CommError) -> HierarchicalProcessGroup {
        let local = grid.local(rank)
        var place = named("across/\(local)", rank: grid.host(rank))
        place.isStep = true
        let across = try place.join(store, globalRanks: grid.counterparts(local))
        var whole = gloo
        whole.rank = rank
        let engine = HierarchicalEngine(
            board: try whole.makeBoard(store, grid.members), grid: grid, inside: inside,
            across: across, place: self)
        return HierarchicalProcessGroup(engine, place: self)
    }

    /// Ranks without such an order talk through Gloo alone.
    func joinFlat(rank: Int, _ members: [Int]) throws(CommError) -> GlooProcessGroup {
        try named("flat", rank: rank).join(store, globalRanks: members)
    }

    /// A group of two for messages between hosts, made when both first need it.
    func joinPair(_ own: Int, _ other: Int) throws(CommError) -> GlooProcessGroup {
        let pair = [min(own, other), max(own, other)]
        return try named("pair/\(pair[0])-\(pair[1])", rank: own < other ? 0 : 1)
            .join(store, globalRanks: pair)
    }

    func inner(_ name: String) -> HierarchicalPlace {
        HierarchicalPlace(store: store, gloo: named(name, rank: gloo.rank))
    }

    private func named(_ name: String, rank: Int) -> GlooPlace {
        var place = gloo
        place.group = "\(gloo.group)/\(name)"
        place.rank = rank
        return place
    }
}
