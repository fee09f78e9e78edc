extension LaunchPlan {
    static let eventsVariable = "APUS_EVENTS_FD"
    static let recordsVariable = "APUS_FLIGHT_RECORDS"

    /// The environment of one rank: the launcher's, with what tells a rank who it is.
    public func environment(
        ofLocalRank localRank: Int, inherited: [String: String], eventsDescriptor: Int32?
    ) -> [String: String] {
        var environment = inherited
        environment["RANK"] = String(rank(localRank))
        environment["WORLD_SIZE"] = String(worldSize)
        environment["LOCAL_RANK"] = String(localRank)
        environment["LOCAL_WORLD_SIZE"] = String(localRanks)
        environment["MASTER_ADDR"] = hosts.masterAddress
        environment["MASTER_PORT"] = String(masterPort)
        if let threadsPerRank {
            environment["OMP_NUM_THREADS"] = String(threadsPerRank)
        } else if environment["OMP_NUM_THREADS"] == nil {
            environment["OMP_NUM_THREADS"] = String(max(1, cores / localRanks))
        }
        if case .files(let folder) = output { environment[Self.recordsVariable] = folder }
        environment[Self.eventsVariable] = eventsDescriptor.map { String($0) }
        return environment
    }
}
