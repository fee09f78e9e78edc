internal import CApusTorch

/// The memory of host tensors, kept between steps instead of being given back to the system.
///
/// Training takes and drops the same large blocks every step; without a pool the kernel maps,
/// zeroes and unmaps many of their pages each time. From the second step on, a pooled step touches
/// no fresh page, and blocks that are freed join their neighbours, so that the peak is lower too.
public enum HostPool {
    /// Lets host tensors of this process come from the pool from now on; existing ones stay where
    /// they are. False where the system grants no range of addresses, which changes nothing.
    @discardableResult
    public static func install() -> Bool { apus_pool_install() }

    /// Bytes of tensors in the pool (those under 32 KiB live elsewhere); zeros unless installed.
    public struct Figures: Sendable, Hashable {
        public let usedBytes: Int
        /// The most that was ever used at once.
        public let mostUsedBytes: Int
        /// What was ever touched: an upper bound of the pool's resident memory.
        public let reachedBytes: Int
    }

    public static var figures: Figures {
        let figures = apus_pool_current()
        return Figures(
            usedBytes: Int(figures.used), mostUsedBytes: Int(figures.most_used),
            reachedBytes: Int(figures.reached))
    }

    /// Hands the pages of free blocks back to the system, after a phase that needed much more than
    /// the next one will.
    public static func trim() { apus_pool_trim() }
}
