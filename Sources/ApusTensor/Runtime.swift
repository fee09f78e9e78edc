internal import CApusTorch

/// The libtorch this process runs on.
public enum Runtime {
    public static var torchVersion: String { String(cString: apus_torch_version()) }

    /// The file of the libtorch that this process loaded.
    public static var libraryPath: String { String(cString: apus_torch_library_path()) }

    /// Whether libtorch can communicate between processes over TCP.
    public static var hasGloo: Bool { apus_has_gloo() }

    /// Why NCCL cannot be used; nil when it can.
    public static var ncclUnavailableReason: String? {
        let reason = String(cString: apus_nccl_unavailable_reason())
        return reason.isEmpty ? nil : reason
    }

    /// Threads an operation of this process may use.
    public static var threadCount: Int {
        get { Int(apus_thread_count()) }
        set { apus_set_thread_count(Int32(newValue)) }
    }

    /// How many GPUs libtorch can use; loads its CUDA part when there is one.
    public static var cudaDeviceCount: Int { Int(apus_cuda_device_count()) }

    /// Why there is no CUDA device; nil when there is one.
    public static var cudaUnavailableReason: String? {
        cudaDeviceCount > 0 ? nil : String(cString: apus_cuda_unavailable_reason())
    }
}
