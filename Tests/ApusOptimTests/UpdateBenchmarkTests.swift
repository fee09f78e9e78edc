import ApusOptim
import Testing

/// Debug builds are slow, so only the arithmetic of the figures is tried, not their size.
@Test func benchmarkFiguresBelongTogether() {
    let result = UpdateBenchmark(parameterCount: 4096, repetitions: 2).run()
    #expect(result.float32Nanoseconds > 0 && result.float32Nanoseconds.isFinite)
    #expect(result.bfloat16Nanoseconds > 0 && result.plainNanoseconds > 0)
    #expect(result.squaresNanoseconds > 0 && result.scaleNanoseconds > 0)
    let narrow = result.plainBFloat16Nanoseconds / result.bfloat16Nanoseconds
    #expect(abs(result.bfloat16BandwidthShare - narrow) < 1e-12)
    let share = result.plainNanoseconds / result.float32Nanoseconds
    #expect(abs(result.bandwidthShare - share) < 1e-12)
    #expect(abs(result.gigabytesPerSecond * result.float32Nanoseconds - 28) < 1e-9)
}
