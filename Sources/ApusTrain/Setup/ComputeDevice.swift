public import ApusBase
public import ApusComm
public import ApusTensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Where a rank computes, and the group that reaches its memory.
public struct ComputeDevice {
    public let device: Device
    /// All ranks, for memory of `device`; nil for the host, whose group serves, and for one rank.
    public let group: (any ProcessGroup)?

    /// This rank's GPU where libtorch sees one for each rank of the host, else the host.
    ///
    /// - wish: `cpu` or `cuda`; nil: what there is
    /// - Throws: `DeviceError` for a wish that cannot be fulfilled; `CommError`
    public init(
        beside host: any ProcessGroup, environment: WorldEnvironment, wish: String?
    ) throws {
        let count = Runtime.cudaDeviceCount
        let wanted = wish ?? (count >= environment.localWorldSize ? "cuda" : "cpu")
        switch wanted {
        case "cpu":
            (device, group) = (.cpu, nil)
        case "cuda":
            guard environment.localRank < count else {
                throw DeviceError(localRank: environment.localRank, count: count)
            }
            device = .cuda(environment.localRank)
            group =
                host.worldSize == 1
                ? nil : try environment.makeProcessGroup(on: device, beside: host)
        default:
            throw DeviceError(unknown: wanted)
        }
    }
}

extension ComputeDevice {
    /// As the variables of this process say: APUS_DEVICE and those of the launcher.
    public static func current(beside host: any ProcessGroup) throws -> ComputeDevice {
        let wish = getenv("APUS_DEVICE").map { String(cString: $0) }
        return try ComputeDevice(beside: host, environment: .current(), wish: wish)
    }
}

/// A device that is wished for and not there.
public struct DeviceError: OperationalError {
    public let summary: String
    public let likelyCause: String?
    public let remedy: String?

    init(localRank: Int, count: Int) {
        summary = "APUS_DEVICE=cuda: there is no GPU for local rank \(localRank); GPUs: \(count)"
        likelyCause = Runtime.cudaUnavailableReason ?? "more ranks than GPUs"
        remedy = "start as many ranks as `apus doctor` shows GPUs, or unset APUS_DEVICE"
    }

    init(unknown wish: String) {
        summary = "APUS_DEVICE is \"\(wish)\"; it must be cpu or cuda"
        likelyCause = nil
        remedy = "correct it, or unset it to use what there is"
    }
}
