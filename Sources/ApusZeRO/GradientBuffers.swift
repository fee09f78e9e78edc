internal import ApusBase
internal import ApusComm
internal import ApusTensor

/// Flat gradient buffers for units whose gradients are on their way, used again and again.
///
/// They lie where the ranks of the group can read them in place. In a steady state nothing is
/// allocated.
final class GradientBuffers {
    private let group: any ProcessGroup
    private let device: Device
    private var free: [Tensor] = []
    /// Bytes of all buffers, for the account of planned memory.
    private(set) var byteCount = 0

    init(_ group: any ProcessGroup, device: Device) {
        self.group = group
        self.device = device
    }

    /// A buffer of `elementCount` elements with unspecified contents; to be given back whole.
    func take(_ elementCount: Int, _ dtype: DType) -> Tensor {
        let fitting = free.indices.filter {
            free[$0].dtype == dtype && free[$0].elementCount >= elementCount
        }
        if let best = fitting.min(by: { free[$0].elementCount < free[$1].elementCount }) {
            return free.remove(at: best)
        }
        // One that is too small makes room for the larger one.
        if let small = free.firstIndex(where: { $0.dtype == dtype }) {
            byteCount -= free.remove(at: small).byteCount
        }
        let made = group.sharedTensor(elementCount, dtype, device)
        byteCount += made.byteCount
        return made
    }

    func giveBack(_ buffer: Tensor) { free.append(buffer) }
}
