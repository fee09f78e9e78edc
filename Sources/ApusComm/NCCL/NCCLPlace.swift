internal import ApusBase
public import ApusTensor
internal import CApusHost

extension WorldEnvironment {
    /// A group of the same ranks for memory of `device`, this rank's own GPU, through NCCL.
    ///
    /// `host`, the group that `makeProcessGroup` returned, remains the one for host memory.
    ///
    /// - Throws: `CommError` when there is no NCCL, or when the ranks do not find each other.
    public func makeProcessGroup(
        on device: Device, beside host: any ProcessGroup
    ) throws(CommError) -> NCCLProcessGroup {
        if let problem = apus_nccl_problem() {
            throw CommError(
                .unsupported, "rank \(rank) has no NCCL: \(String(cString: problem))",
                at: .init(rank: rank),
                remedy: "install NCCL 2 and put the folder of libnccl.so.2 on LD_LIBRARY_PATH")
        }
        guard case .cuda(let index) = device, index < Runtime.cudaDeviceCount else {
            let reason =
                Runtime.cudaUnavailableReason ?? "there are \(Runtime.cudaDeviceCount) GPUs"
            throw CommError(
                .unsupported, "rank \(rank) has no device \(device): \(reason)",
                at: .init(rank: rank), likelyCause: "more ranks than GPUs, or no CUDA libtorch",
                remedy: "start as many ranks as `apus doctor` shows GPUs")
        }
        var meeting = GlooPlace(rank: rank, timeoutSeconds: timeoutSeconds)
        meeting.group = "nccl"
        meeting.recorder.folder = recordFolder
        return try NCCLPlace(meeting: meeting, device: device).join(
            store(beside: host), globalRanks: Array(0..<worldSize))
    }

    private func store(beside host: any ProcessGroup) throws(CommError) -> KeyValueStore {
        if let gloo = host as? GlooProcessGroup { return gloo.store }
        if let hosts = host as? HierarchicalProcessGroup { return hosts.store }
        return try KeyValueStore(
            host: masterAddress, port: masterPort, isServer: rank == 0,
            timeoutSeconds: timeoutSeconds)
    }
}

/// How a rank joins an NCCL group.
struct NCCLPlace {
    /// The group's name, this rank and the time-out.
    var meeting: GlooPlace
    let device: Device

    func join(
        _ store: KeyValueStore, globalRanks: [Int]
    ) throws(CommError) -> NCCLProcessGroup {
        try meeting.meet(store, globalRanks)
        let identifier = try shareIdentifier(store)
        // A rank that dies from here on is noticed by its launcher only: NCCL waits for all.
        device.makeCurrent()
        var pointer: OpaquePointer?
        let result = apus_nccl_join(
            identifier, Int32(meeting.rank), Int32(globalRanks.count), &pointer)
        guard result == 0, let pointer else { throw refusal(result, globalRanks) }
        let engine = NCCLEngine(
            pointer, device: device, board: try meeting.makeBoard(store, globalRanks))
        return NCCLProcessGroup(engine, place: self, store: store)
    }

    /// The name that the first rank makes, in hexadecimal digits on the way.
    private func shareIdentifier(_ store: KeyValueStore) throws(CommError) -> [UInt8] {
        let key = "\(meeting.group)/identifier"
        var bytes = [UInt8](repeating: 0, count: Int(APUS_NCCL_ID_BYTES))
        if meeting.rank == 0 {
            let result = apus_nccl_make_id(&bytes)
            guard result == 0 else { throw refusal(result, [0]) }
            try store.set(key, bytes.map { String($0, radix: 16) }.joined(separator: " "))
            return bytes
        }
        let text = try store.get(key, timeoutSeconds: meeting.timeoutSeconds)
        let read = text.split(separator: " ").compactMap { UInt8($0, radix: 16) }
        precondition(read.count == bytes.count, "nccl: an identifier of \(read.count) bytes")
        return read
    }

    private func refusal(_ result: Int32, _ globalRanks: [Int]) -> CommError {
        CommError(
            .rendezvous,
            "rank \(globalRanks[meeting.rank]) cannot join on \(device): "
                + String(cString: apus_nccl_message(result)),
            at: .init(rank: globalRanks[meeting.rank]),
            likelyCause: "two ranks use one GPU, or the GPUs cannot reach each other",
            remedy: "give each rank its own GPU; NCCL_DEBUG=INFO shows what NCCL tries")
    }
}
