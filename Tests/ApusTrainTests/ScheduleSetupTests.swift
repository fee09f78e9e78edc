import ApusConfig
import ApusOptim
import ApusTrain
import Testing

@Suite struct ScheduleSetupTests {
    /// As in transformers: nothing is cut to the run's length.
    @Test func aWarmUpMayBeLongerThanTheRun() {
        var recipe = Recipe()
        recipe.optimizer.learningRate = 1e-2
        recipe.schedule.warmupSteps = 50
        let schedule = recipe.learningRateSchedule(totalSteps: 21)
        #expect(abs(schedule.rate(atStep: 20) - 1e-2 * 20 / 50) < 1e-15)
    }
}
