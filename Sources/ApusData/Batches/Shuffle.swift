internal import ApusBase

/// Permutations that depend on the seed alone: the same on every machine and rank.
enum Shuffle {
    /// What a permutation is for, so that two uses of one seed do not repeat each other.
    enum Stream {
        case validation
        case weights
        case epoch(Int)

        var number: UInt64 {
            switch self {
            case .validation: 1
            case .weights: 2
            case .epoch(let epoch): 3 + UInt64(epoch)
            }
        }
    }

    /// Fisher and Yates's shuffle of 0..<count.
    static func permutation(_ count: Int, seed: UInt64, stream: Stream) -> [Int] {
        var random = SplitMix64(seed: SplitMix64.mix(seed) ^ SplitMix64.mix(stream.number))
        var order = Array(0..<count)
        guard count > 1 else { return order }
        for last in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(last, below(last + 1, &random))
        }
        return order
    }

    /// A number below `bound`, every one equally likely (Lemire 2019, "Fast Random Integer
    /// Generation in an Interval"). Not the standard library's, whose choice may change with its
    /// version.
    private static func below(_ bound: Int, _ random: inout SplitMix64) -> Int {
        let bound = UInt64(bound)
        let threshold = (0 &- bound) % bound
        while true {
            let (high, low) = random.next().multipliedFullWidth(by: bound)
            if low >= threshold { return Int(high) }
        }
    }
}
