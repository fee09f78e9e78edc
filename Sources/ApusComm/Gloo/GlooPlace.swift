internal import ApusBase
internal import CApusTorch

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How a rank joins a Gloo group.
struct GlooPlace {
    /// Keeps the keys of different groups apart.
    var group = "world"
    var rank: Int
    var timeoutSeconds: Double
    /// The address or interface to listen on; both nil: what this machine's name resolves to.
    var hostname: String?
    var interface: String?
    /// Whether the operations are steps of a larger group's, which itself compares what the ranks
    /// call and explains what goes wrong.
    var isStep = false
    var recorder = FlightRecorder()

    func join(_ store: KeyValueStore, globalRanks: [Int]) throws(CommError) -> GlooProcessGroup {
        try meet(store, globalRanks)
        let pointer = try connect(store, globalRanks)
        let board = isStep ? nil : try makeBoard(store, globalRanks)
        let engine = GlooEngine(pointer, board: board, place: self, globalRanks: globalRanks)
        return GlooProcessGroup(engine, place: self, store: store)
    }

    func makeBoard(_ store: KeyValueStore, _ globalRanks: [Int]) throws(CommError) -> RankBoard {
        try RankBoard(
            group: group, rank: rank, globalRanks: globalRanks, timeoutSeconds: timeoutSeconds,
            store: store)
    }

    /// Every rank takes its seat; who is missing at the end is named.
    func meet(_ store: KeyValueStore, _ globalRanks: [Int]) throws(CommError) {
        let own = globalRanks[rank]
        if try store.add("\(group)/seat/\(rank)") > 1 {
            throw CommError(
                .rendezvous, "two processes claim rank \(own)",
                at: CommError.Place(rank: own, culprit: own),
                likelyCause: "both were started with RANK=\(own)",
                remedy: "give every process its own RANK")
        }
        if rank == 0 { try store.set("\(group)/world", "\(globalRanks.count)") }
        try checkWorldSize(store, own: own, globalRanks)
        try waitForAll(store, own: own, globalRanks)
    }

    private func checkWorldSize(
        _ store: KeyValueStore, own: Int, _ globalRanks: [Int]
    ) throws(CommError) {
        let size = try store.get("\(group)/world", timeoutSeconds: timeoutSeconds)
        if size == "\(globalRanks.count)" { return }
        throw CommError(
            .rendezvous,
            "rank \(own) was started with WORLD_SIZE=\(globalRanks.count), rank 0 with \(size)",
            at: CommError.Place(rank: own, culprit: 0),
            likelyCause: "two runs share a MASTER_PORT, or the ranks' environments differ",
            remedy: "start all ranks of a run with the same WORLD_SIZE, each run with its port")
    }

    private func waitForAll(
        _ store: KeyValueStore, own: Int, _ globalRanks: [Int]
    ) throws(CommError) {
        let deadline = monotonicSeconds() + timeoutSeconds
        var missing = globalRanks.indices.filter { $0 != rank }
        while !missing.isEmpty {
            do {
                for peer in missing where try store.has("\(group)/seat/\(peer)") {
                    missing.removeAll { $0 == peer }
                }
            } catch {
                let names = missing.map { globalRanks[$0] }
                throw absence(names, own: own, "until rank 0 ended", store)
            }
            if !missing.isEmpty, monotonicSeconds() > deadline {
                let time = "\(timeoutSeconds.fixed(0)) s"
                throw absence(missing.map { globalRanks[$0] }, own: own, time, store)
            }
            usleep(20_000)
        }
    }

    private func absence(
        _ missing: [Int], own: Int, _ time: String, _ store: KeyValueStore
    ) -> CommError {
        let names = missing.map(String.init).joined(separator: ", ")
        return CommError(
            .rendezvous, "rank \(own) has waited \(time) for rank \(names) to start",
            at: CommError.Place(rank: own, culprit: missing.first),
            likelyCause: "rank \(names) was not started, failed before, or cannot reach "
                + store.address,
            remedy: "look at its log; raise APUS_COMM_TIMEOUT if it only starts slowly")
    }

    private func connect(
        _ store: KeyValueStore, _ globalRanks: [Int]
    ) throws(CommError) -> OpaquePointer {
        var pointer: OpaquePointer?
        let status = group.withCString { name in
            withOptionalCString(hostname) { hostname in
                withOptionalCString(interface) { interface in
                    var options = apus_gloo_options(
                        name: name, rank: Int32(rank), world: Int32(globalRanks.count),
                        timeout_seconds: timeoutSeconds, hostname: hostname, interface: interface)
                    return store.makeGloo(&options, &pointer)
                }
            }
        }
        if status == APUS_OK, let pointer { return pointer }
        throw CommError(
            .rendezvous,
            "rank \(globalRanks[rank]) cannot connect to the others: "
                + String(cString: apus_last_message()),
            at: CommError.Place(rank: globalRanks[rank]),
            likelyCause: "a rank died while the ranks were meeting, or the hosts cannot reach "
                + "each other on the chosen network interface",
            remedy: "look at the other ranks' logs; GLOO_SOCKET_IFNAME chooses an interface")
    }
}

private func withOptionalCString<Result>(
    _ text: String?, _ body: (UnsafePointer<CChar>?) -> Result
) -> Result {
    guard let text else { return body(nil) }
    return text.withCString(body)
}
