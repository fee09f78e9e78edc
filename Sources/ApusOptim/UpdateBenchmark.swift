internal import ApusBase
internal import CApusHost

/// How fast this machine updates parameters with AdamW, beside what its memory allows.
///
/// One thread; buffers of `parameterCount` elements, which should be far larger than the caches.
public struct UpdateBenchmark: Sendable {
    public struct Result: Sendable, Hashable {
        /// fp32 weights and gradient: 28 bytes read and written per parameter.
        public let float32Nanoseconds: Double
        /// bf16 gradient, fp32 master weights, bf16 copy written: 28 bytes as well.
        public let bfloat16Nanoseconds: Double
        /// A loop with the reads and writes of the first and no arithmetic to speak of.
        public let plainNanoseconds: Double

        /// The fp32 update's share of the bandwidth that the plain loop reaches.
        public var bandwidthShare: Double { plainNanoseconds / float32Nanoseconds }
        public var gigabytesPerSecond: Double { 28 / float32Nanoseconds }
    }

    public var parameterCount: Int
    public var repetitions: Int

    public init(parameterCount: Int = 24_000_000, repetitions: Int = 9) {
        precondition(
            parameterCount > 0 && repetitions > 0,
            "UpdateBenchmark: needs parameters and repetitions")
        self.parameterCount = parameterCount
        self.repetitions = repetitions
    }

    /// The three take turns, and the shortest time of each counts: other work on the machine can
    /// only lengthen them, and hits all alike. All in nanoseconds per parameter.
    public func run() -> Result {
        let buffers = (0..<4).map { _ in
            UnsafeMutablePointer<Float>.allocate(capacity: parameterCount)
        }
        let halves = (0..<2).map { _ in
            UnsafeMutablePointer<UInt16>.allocate(capacity: parameterCount)
        }
        defer {
            buffers.forEach { $0.deallocate() }
            halves.forEach { $0.deallocate() }
        }
        buffers.forEach { $0.initialize(repeating: 0.001, count: parameterCount) }
        halves.forEach { $0.initialize(repeating: 0x3A83, count: parameterCount) }  // 0.001
        let weights = FloatMemory(buffers[0], count: parameterCount)
        let states = [buffers[2], buffers[3]]
        let wide = UpdateSlice(
            weights: weights, gradient: FloatMemory(buffers[1], count: parameterCount),
            states: states)
        let narrow = UpdateSlice(
            weights: weights, gradient: FloatMemory(halves[0], .bfloat16, count: parameterCount),
            states: states,
            roundedWeights: FloatMemory(halves[1], .bfloat16, count: parameterCount))
        var best = (wide: Double.infinity, narrow: Double.infinity, plain: Double.infinity)
        for step in 1...repetitions {
            let hyper = HyperParameters(learningRate: 1e-3, weightDecay: 0.1, step: step)
            best.wide = min(best.wide, nanoseconds { AdamW().update(wide, hyper) })
            best.narrow = min(best.narrow, nanoseconds { AdamW().update(narrow, hyper) })
            let plain = nanoseconds {
                apus_plain_update(buffers[0], buffers[1], states[0], states[1], parameterCount)
            }
            best.plain = min(best.plain, plain)
        }
        return Result(
            float32Nanoseconds: best.wide, bfloat16Nanoseconds: best.narrow,
            plainNanoseconds: best.plain)
    }

    private func nanoseconds(_ body: () -> Void) -> Double {
        let time = ContinuousClock().measure(body).components
        let total = Double(time.seconds) * 1e9 + Double(time.attoseconds) * 1e-9
        return total / Double(parameterCount)
    }
}
