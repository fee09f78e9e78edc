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

    /// From DeepSpeed 0.19.8's `WarmupLR(warmup_num_steps=10)`, whose rates come a step later.
    @Test("A logarithmic warm-up is DeepSpeed's")
    func logarithmicWarmup() {
        var schedule = LearningRateSchedule(.constant, peak: 1, warmupSteps: 10, totalSteps: 20)
        schedule.warmupCurve = .logarithmic
        let expected = [
            0, 0.30102999566398114, 0.4771212547196624, 0.6020599913279623, 0.6989700043360186,
            0.7781512503836435, 0.8450980400142567, 0.9030899869919433, 0.9542425094393248, 1, 1,
        ]
        for (step, rate) in expected.enumerated() {
            #expect(abs(schedule.rate(atStep: step) - rate) < 1e-15, "step \(step)")
        }
    }

    @Test("Gradients below the maximum norm are left alone, others brought down to it")
    func clipping() {
        #expect(clipFactor(norm: 0.5, maximumNorm: 1) == 1)
        #expect(clipFactor(norm: 0, maximumNorm: 1) == 1)
        #expect(clipFactor(norm: 4, maximumNorm: 1) == 1 / (4 + 1e-6))
    }
}
