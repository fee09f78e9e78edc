import ApusConfig
import Testing

@Suite struct ExplanationTests {
    @Test func everyValueStandsWithItsOriginAndMeaning() throws {
        let text = try load(minimal, set: ["seed=7"]).explanation
        let lines = text.split(separator: "\n").map { line in
            line.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
        #expect(
            lines.contains("learning_rate 0.0001 r.yaml:6 The highest learning rate of the run."))
        #expect(lines.contains { $0.hasPrefix("seed 7 --set seed=7 ") })
        #expect(lines.contains { $0.hasPrefix("weight_decay 0.0 default ") })
        #expect(lines.contains { $0.hasPrefix("max_steps not set default ") })
        #expect(lines.contains { $0.hasPrefix("datasets.0.type chat_template r.yaml:5 ") })
        #expect(
            lines.contains { $0.hasPrefix(#"datasets.0.roles_to_train ["assistant"] default"#) })
        #expect(lines.contains { $0.hasPrefix("eval_batch_size 1 = micro_batch_size ") })
    }

    @Test func derivedValuesShowTheirFormula() throws {
        let set = ["micro_batch_size=3", "gradient_accumulation_steps=4", "ranks=2"]
        let text = try load(minimal, set: set).explanation
        #expect(text.contains("micro_batch_size 3 x gradient_accumulation_steps 4 x ranks 2"))
        let sequences = try load(minimal, set: set).derivedValues
        #expect(sequences.first { $0.name == "sequences per step" }?.value == "24")
        #expect(sequences.first { $0.name == "tokens per step, at most" }?.value == "12288")
    }

    @Test func maxStepsWinsOverEpochsAndSaysSo() throws {
        let values = try load(minimal, set: ["max_steps=5", "num_epochs=3"]).derivedValues
        let length = try #require(values.first { $0.name == "length" })
        #expect(length.value == "5 steps")
        #expect(length.formula == "max_steps; wins over num_epochs")
    }

    @Test func hugeNumbersDoNotOverflow() throws {
        let huge = String(Int.max)
        let set = ["micro_batch_size=\(huge)", "gradient_accumulation_steps=\(huge)"]
        let values = try load(minimal, set: set).derivedValues
        #expect(values.first { $0.name == "sequences per step" }?.value == "too many to count")
    }

    @Test func theStarterIsARecipe() throws {
        let set = ["base_model=/dev/null", "datasets.0.path=/dev/null", "datasets.0.ds_type=json"]
        let resolved = try load(starterRecipe, set: set)
        #expect(resolved.recipe.batch.gradientAccumulationSteps == 4)
    }
}
