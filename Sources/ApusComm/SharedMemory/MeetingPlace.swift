internal import ApusBase
internal import CApusHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Where the processes of a host meet to form a group.
struct MeetingPlace {
    /// The same for all ranks, different for every group alive on the host.
    var name: String
    let timeoutSeconds: Double
    var recorder = FlightRecorder()

    func join(rank: Int, globalRanks: [Int]) throws(CommError) -> SharedMemoryProcessGroup {
        var meeting = apus_shm_meeting()
        var pointer: OpaquePointer?
        let status = name.withCString { name in
            var options = apus_shm_options(
                name: name, rank: Int32(rank), world: Int32(globalRanks.count),
                timeout_seconds: timeoutSeconds, folder: nil)
            return apus_shm_join(&options, &meeting, &pointer)
        }
        guard status == APUS_SHM_OK, let pointer else {
            throw refusal(status, meeting, rank: rank, globalRanks)
        }
        return SharedMemoryProcessGroup(
            SharedMemoryHandle(pointer), rank: rank, globalRanks: globalRanks,
            timeoutSeconds: timeoutSeconds, meeting: .processes(self))
    }

    private func refusal(
        _ status: apus_shm_status, _ meeting: apus_shm_meeting, rank: Int, _ globalRanks: [Int]
    ) -> CommError {
        let own = globalRanks[rank]
        let isKnown = globalRanks.indices.contains(Int(meeting.culprit))
        let culprit = isKnown ? globalRanks[Int(meeting.culprit)] : nil
        let place = CommError.Place(rank: own, culprit: culprit)
        let name = culprit.map { "rank \($0)" } ?? "another rank"
        switch status {
        case APUS_SHM_TIMED_OUT:
            let missing = globalRanks.indices.filter { meeting.missing >> UInt64($0) & 1 == 1 }
            let ranks = missing.map { String(globalRanks[$0]) }.joined(separator: ", ")
            return CommError(
                .rendezvous,
                "rank \(own) has waited \(timeoutSeconds.fixed(0)) s for rank \(ranks) to start",
                at: place,
                likelyCause: "rank \(ranks) was not started, failed before, or runs with another "
                    + "MASTER_PORT, user or host",
                remedy: "look at its log; raise APUS_COMM_TIMEOUT if it only starts slowly")
        case APUS_SHM_PEER_LEFT:
            return CommError(
                .rendezvous, "rank \(own): \(name) died while the ranks were meeting", at: place,
                likelyCause: "it failed during its start", remedy: "look at the log of \(name)")
        case APUS_SHM_OCCUPIED:
            return CommError(
                .rendezvous,
                "rank \(own): process \(meeting.pid) is already starting a group of this name, "
                    + self.name,
                at: place, likelyCause: "another run with the same MASTER_PORT starts on this host",
                remedy: "give each run its own MASTER_PORT, or end process \(meeting.pid)")
        case APUS_SHM_DUPLICATE_RANK:
            return CommError(
                .rendezvous, "two processes claim rank \(own); the other is process \(meeting.pid)",
                at: place, likelyCause: "both were started with RANK=\(own)",
                remedy: "give every process its own RANK")
        case APUS_SHM_OTHER_WORLD:
            return CommError(
                .rendezvous,
                "rank \(own) was started with WORLD_SIZE=\(globalRanks.count), "
                    + "rank 0 with \(meeting.found_world)",
                at: place,
                likelyCause: "two runs share a MASTER_PORT, or the ranks' environments differ",
                remedy: "start all ranks of a run with the same WORLD_SIZE, each run with its port")
        case APUS_SHM_UNSUPPORTED:
            return CommError(
                .unsupported, "ranks cannot talk through shared memory on this operating system",
                at: place, remedy: "set APUS_COMM_BACKEND=gloo")
        default:
            let reason = String(cString: strerror(meeting.error_number))
            return CommError(
                .system, "rank \(own) cannot make shared memory in /dev/shm: \(reason)", at: place,
                likelyCause: "/dev/shm is full, too small or not writable",
                remedy: "free space there (in a container: --shm-size), "
                    + "or set APUS_COMM_BACKEND=gloo")
        }
    }
}
