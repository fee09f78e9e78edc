/// Decides when each unit's gradient is reduced, so that all ranks reduce in one order.
///
/// The order is that in which backward usually finishes units: the last declared first. A unit that
/// is complete before its turn waits; one that backward never reaches is reduced when backward is
/// over. So ranks whose graphs differ, or that have no micro-batch at all, still start the same
/// collectives.
public struct ReductionOrder: Sendable {
    private let order: [Int]
    private var isComplete: Set<Int> = []
    private var next = 0

    /// - units: the units with gradients, in the order of declaration
    public init(units: [Int]) { order = units.reversed() }

    public mutating func begin() {
        isComplete = []
        next = 0
    }

    /// A unit has all its gradients: the units to reduce now, in this order.
    public mutating func gradientsAreComplete(_ unit: Int) -> [Int] {
        isComplete.insert(unit)
        let first = next
        while next < order.count, isComplete.contains(order[next]) { next += 1 }
        return Array(order[first..<next])
    }

    /// Backward is over: all units that are left.
    public mutating func finish() -> [Int] {
        defer { next = order.count }
        return Array(order[next...])
    }

    public func hasStarted(_ unit: Int) -> Bool {
        order.prefix(next).contains(unit)
    }
}
