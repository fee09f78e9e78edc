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
        ]
        var variables: [String: String] = [:]
        for name in names {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return try WorldEnvironment(variables)
    }

    /// The group of all ranks: nothing for one rank, shared memory on one host, else Gloo.
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
            return try makeSharedMemoryGroup()
        }
        return try makeGlooGroup()
    }

    private func makeSharedMemoryGroup() throws(CommError) -> any ProcessGroup {
        let safe = runIdentifier.utf8.prefix(64).map { byte in
            let isPlain = UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
            return isPlain || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte ? byte : 0x5F
        }
        let suffix = safe.isEmpty ? "" : "-" + String(decoding: safe, as: UTF8.self)
        let place = MeetingPlace(
            name: "\(masterPort)\(suffix)", timeoutSeconds: timeoutSeconds)
        return try place.join(rank: rank, globalRanks: Array(0..<worldSize))
    }

    private func makeGlooGroup() throws(CommError) -> any ProcessGroup {
        let store = try KeyValueStore(
            host: masterAddress, port: masterPort, isServer: rank == 0,
            timeoutSeconds: timeoutSeconds)
        var place = GlooPlace(rank: rank, timeoutSeconds: timeoutSeconds)
        if let interface = getenv("GLOO_SOCKET_IFNAME") {
            place.interface = String(cString: interface)
        } else if isOneHost {
            place.hostname = "127.0.0.1"
        }
        return try place.join(store, globalRanks: Array(0..<worldSize))
    }
}
