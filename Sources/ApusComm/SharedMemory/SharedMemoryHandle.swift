internal import ApusBase
internal import CApusHost

/// Owns one group of the C layer. Shared by the group, its works and the buffers it allocated, so
/// that the last of them frees it.
final class SharedMemoryHandle {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { apus_shm_release(pointer) }
}

/// Owns memory of a group's arena.
final class ArenaBlock {
    private let group: SharedMemoryHandle
    let address: UnsafeMutableRawPointer

    init?(_ group: SharedMemoryHandle, byteCount: Int) {
        guard let address = apus_shm_alloc(group.pointer, byteCount) else { return nil }
        self.group = group
        self.address = address
    }

    deinit { apus_shm_free(group.pointer, address) }
}

extension Collective {
    /// Calls `body` with the C form, valid during the call.
    func withCall<Result>(
        worldSize: Int, _ body: (UnsafePointer<apus_shm_call>) -> Result
    ) -> Result {
        func call(_ label: UnsafePointer<CChar>?) -> Result {
            var call = apus_shm_call(
                kind: apus_shm_kind(UInt32(kind.rawValue)),
                dtype: .init(dtype), result: .init(resultDtype),
                reduction: apus_shm_reduction(UInt32(op.rawValue)), peer: Int32(peer),
                count: elementsPerRank(worldSize: worldSize), input: input.address,
                output: output.address, label: label)
            return body(&call)
        }
        guard let label else { return call(nil) }
        return label.withCString(call)
    }

    static func kind(code: apus_shm_kind) -> Kind {
        Kind(rawValue: UInt8(code.rawValue)) ?? .barrier
    }
}

extension apus_shm_dtype {
    init(_ dtype: DType) { self.init(UInt32(DType.allCases.firstIndex(of: dtype)!)) }
}

extension CommError.Code {
    init(_ status: apus_shm_status) {
        self =
            switch status {
            case APUS_SHM_TIMED_OUT: .timedOut
            case APUS_SHM_PEER_LEFT: .peerLeft
            case APUS_SHM_MISMATCH: .mismatched
            default: .system
            }
    }
}
