internal import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension WorldEnvironment {
    /// The variables of this process.
    public static func current() throws(CommError) -> WorldEnvironment {
        let names = [
            "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
            "APUS_COMM_BACKEND", "APUS_COMM_TIMEOUT", "APUS_RUN_ID", "TORCHELASTIC_RUN_ID",
            "APUS_FLIGHT_RECORDS",
        ]
        var variables: [String: String] = [:]
        for name in names {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return try WorldEnvironment(variables)
    }

    /// The group of all ranks: nothing for one rank; shared memory on one host; shared memory and
    /// Gloo on hosts with equally many ranks, more than one; else Gloo.
    ///
    /// - Throws: `CommError` when the ranks do not find each other within the time-out.
    public func makeProcessGroup() throws(CommError) -> any ProcessGroup {
        if worldSize == 1 { return SingleRankProcessGroup() }
        if backend == .sharedMemory, !isOneHost {
            throw CommError(
                .unsupported,
                "APUS_COMM_BACKEND=shared-memory with \(localWorldSize) of \(worldSize) ranks here",
                likelyCause: "the job runs on several hosts",
                remedy: "unset APUS_COMM_BACKEND, or set LOCAL_WORLD_SIZE on one host")
        }
        if backend != .gloo, isOneHost, worldSize <= SharedMemoryProcessGroup.largestWorld {
            return try joinSharedMemory("", rank: rank, globalRanks: Array(0..<worldSize))
        }
        return try joinByStore()
    }

    /// - Parameter suffix: tells groups of this job that meet on the same host apart
    private func joinSharedMemory(
        _ suffix: String, rank: Int, globalRanks: [Int]
    ) throws(CommError) -> SharedMemoryProcessGroup {
        let safe = runIdentifier.utf8.prefix(64).map { byte in
            let isPlain = UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
            return isPlain || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte ? byte : 0x5F
        }
        let run = safe.isEmpty ? "" : "-" + String(decoding: safe, as: UTF8.self)
        let place = MeetingPlace(
            name: "\(masterPort)\(run)\(suffix)", timeoutSeconds: timeoutSeconds,
            recorder: FlightRecorder(folder: recordFolder))
        return try place.join(rank: rank, globalRanks: globalRanks)
    }

    private func joinByStore() throws(CommError) -> any ProcessGroup {
        let store = try KeyValueStore(
            host: masterAddress, port: masterPort, isServer: rank == 0,
            timeoutSeconds: timeoutSeconds)
        var place = GlooPlace(rank: rank, timeoutSeconds: timeoutSeconds)
        place.recorder.folder = recordFolder
        if let interface = getenv("GLOO_SOCKET_IFNAME") {
            place.interface = String(cString: interface)
        } else if isOneHost || hasLoopbackMaster {
            place.hostname = "127.0.0.1"
        }
        let everybody = Array(0..<worldSize)
        if backend != .gloo, try areHostsAlike(store, place) {
            let host = rank / localWorldSize
            let own = Array(everybody[(host * localWorldSize)...].prefix(localWorldSize))
            let inside = try joinSharedMemory("-host\(host)", rank: localRank, globalRanks: own)
            return try HierarchicalPlace(store: store, gloo: place).join(
                rank: rank, HostGrid(members: everybody, localSize: localWorldSize),
                inside: inside)
        }
        return try place.join(store, globalRanks: everybody)
    }

    /// Whether all ranks lie host by host, equally many on each and more than one. Asked by all
    /// ranks, which get the same answer.
    private func areHostsAlike(
        _ store: KeyValueStore, _ place: GlooPlace
    ) throws(CommError) -> Bool {
        var meeting = place
        meeting.group = "hosts"
        let isInOrder =
            worldSize.isMultiple(of: localWorldSize) && rank % localWorldSize == localRank
        let counter = "hosts/size/\(localWorldSize)"
        if isInOrder { _ = try store.add(counter) }
        try meeting.meet(store, Array(0..<worldSize))
        let fits = (2...SharedMemoryProcessGroup.largestWorld).contains(localWorldSize)
        return try store.add(counter, 0) == worldSize && fits
    }
}
