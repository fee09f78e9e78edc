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
        /// Loops with the same reads and writes and no arithmetic to speak of.
        public let plainNanoseconds: Double
        public let plainBFloat16Nanoseconds: Double
        /// The sum of squares of an fp32 gradient (4 bytes), and scaling it (8 bytes).
        public let squaresNanoseconds: Double
        public let scaleNanoseconds: Double

        /// The updates' shares of the bandwidth that the plain loops reach.
        public var bandwidthShare: Double { plainNanoseconds / float32Nanoseconds }
        public var bfloat16BandwidthShare: Double {
            plainBFloat16Nanoseconds / bfloat16Nanoseconds
        }
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

    /// The loops take turns, and the shortest time of each counts: other work on the machine can
    /// only lengthen them, and hits all alike. All in nanoseconds per parameter.
    public func run() -> Result {
        let memory = Memory(parameterCount)
        var best = [Double](repeating: .infinity, count: 6)
        for step in 1...repetitions {
            let hyper = HyperParameters(learningRate: 1e-3, weightDecay: 0.1, step: step)
            let loops: [() -> Void] = [
                { AdamW().update(memory.wide, hyper) },
                { AdamW().update(memory.narrow, hyper) },
                memory.plainUpdate, memory.plainBFloat16Update,
                { _ = memory.wide.gradient.sumOfSquares() },
                { memory.wide.gradient.scale(by: 1) },
            ]
            for (index, loop) in loops.enumerated() {
                best[index] = min(best[index], nanoseconds(loop))
            }
        }
        return Result(
            float32Nanoseconds: best[0], bfloat16Nanoseconds: best[1], plainNanoseconds: best[2],
            plainBFloat16Nanoseconds: best[3], squaresNanoseconds: best[4],
            scaleNanoseconds: best[5])
    }

    /// The streams of an update, in both forms.
    private final class Memory {
        let wide: UpdateSlice
        let narrow: UpdateSlice
        private let count: Int
        private let floats: [UnsafeMutablePointer<Float>]
        private let halves: [UnsafeMutablePointer<UInt16>]

        init(_ count: Int) {
            self.count = count
            floats = (0..<4).map { _ in .allocate(capacity: count) }
            halves = (0..<2).map { _ in .allocate(capacity: count) }
            floats.forEach { $0.initialize(repeating: 0.001, count: count) }
            halves.forEach { $0.initialize(repeating: 0x3A83, count: count) }  // 0.001
            let weights = FloatMemory(floats[0], count: count)
            let states = [floats[2], floats[3]]
            wide = UpdateSlice(
                weights: weights, gradient: FloatMemory(floats[1], count: count), states: states)
            narrow = UpdateSlice(
                weights: weights, gradient: FloatMemory(halves[0], .bfloat16, count: count),
                states: states, roundedWeights: FloatMemory(halves[1], .bfloat16, count: count))
        }

        deinit {
            floats.forEach { $0.deallocate() }
            halves.forEach { $0.deallocate() }
        }

        func plainUpdate() {
            apus_plain_update(floats[0], floats[1], floats[2], floats[3], count)
        }

        func plainBFloat16Update() {
            apus_plain_update_bfloat16(
                floats[0], halves[0], floats[2], floats[3], halves[1], count)
        }
    }

    private func nanoseconds(_ body: () -> Void) -> Double {
        ContinuousClock().measure(body).seconds * 1e9 / Double(parameterCount)
    }
}
