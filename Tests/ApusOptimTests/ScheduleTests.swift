import ApusBase
import ApusOptim
import Testing

@Suite("Schedules and clipping") struct ScheduleTests {
    private static let schedules: [LearningRateSchedule] = [
        LearningRateSchedule(.constant, peak: 0.002, totalSteps: 17),
        LearningRateSchedule(.constant, peak: 0.002, warmupSteps: 4, totalSteps: 17),
        LearningRateSchedule(.linear, peak: 0.002, warmupSteps: 4, totalSteps: 17),
        LearningRateSchedule(.cosine(), peak: 0.002, warmupSteps: 4, totalSteps: 17),
        LearningRateSchedule(
            .cosine(minimumRatio: 0.1), peak: 0.002, warmupSteps: 4, totalSteps: 17),
        LearningRateSchedule(
            .warmupStableDecay(decaySteps: 6, minimumRatio: 0.1), peak: 0.002, warmupSteps: 4,
            totalSteps: 17),
        LearningRateSchedule(
            .warmupStableDecay(decaySteps: 6, decay: .oneMinusSquareRoot), peak: 0.002,
            warmupSteps: 4, totalSteps: 17),
        LearningRateSchedule(
            .warmupStableDecay(decaySteps: 6, decay: .linear), peak: 0.002, warmupSteps: 4,
            totalSteps: 17),
    ]

    @Test(arguments: 0..<8)
    func followsTransformers(index: Int) throws {
        let file = try fixture("schedules.json")
        let json = try #require(file["schedules"]?.arrayValue)[index]
        let rates = try #require(json["rates"]?.arrayValue)
        for (step, rate) in rates.enumerated() {
            let expected = try #require(rate.doubleValue)
            let found = ScheduleTests.schedules[index].rate(atStep: step)
            #expect(abs(found - expected) <= 1e-17, "step \(step)")
        }
    }

    @Test("A warm-up ratio rounds up", arguments: [(0.03, 100, 3), (0.03, 101, 4), (0, 50, 0)])
    func warmupRatio(ratio: Double, total: Int, expected: Int) {
        #expect(LearningRateSchedule.warmupSteps(ratio: ratio, totalSteps: total) == expected)
    }

    @Test("A warm-up longer than the run never divides by zero")
    func longWarmup() {
        let schedule = LearningRateSchedule(
            .cosine(), peak: 1, warmupSteps: 10, totalSteps: 5)
        #expect((0..<20).allSatisfy { schedule.rate(atStep: $0).isFinite })
        #expect(schedule.rate(atStep: 4) == 0.4)
    }

    @Test("Gradients below the maximum norm are left alone, others brought down to it")
    func clipping() {
        #expect(clipFactor(norm: 0.5, maximumNorm: 1) == 1)
        #expect(clipFactor(norm: 0, maximumNorm: 1) == 1)
        #expect(clipFactor(norm: 4, maximumNorm: 1) == 1 / (4 + 1e-6))
    }
}
