import ApusBase
import ProgramTestSupport
import Testing

/// Samples with weights, through the real program.
@Suite struct WeightedRunTests {
    /// A sample that counts twice does what the same sample given twice does.
    @Test func aWeightOfTwoIsASampleTwice() throws {
        let run = try TinyRun()
        let (first, second) = ("[5, 17, 99, 23, 64, 8]", "[31, 8, 110, 56]")
        run.scratch.write(
            "weighted.jsonl",
            """
            {"input_ids": \(first), "importance": 2}
            {"input_ids": \(second), "importance": 1}

            """)
        run.scratch.write(
            "twice.jsonl",
            """
            {"input_ids": \(first)}
            {"input_ids": \(first)}
            {"input_ids": \(second)}

            """)
        func step(_ arguments: String) throws -> JSON {
            let settings = """
                --set max_steps=1 --set warmup_steps=0 --set gradient_accumulation_steps=1
                """
            let result = try run.train("\(settings) \(arguments)")
            #expect(result.exitCode == 0, "\(result.output)")
            return try JSON.parse(try run.shell("head -1 out/metrics.jsonl").output)
        }
        let weighted = try step(
            """
            --set datasets.0.path=weighted.jsonl --set datasets.0.field_weight=importance \
            --set micro_batch_size=2
            """)
        let twice = try step("--set datasets.0.path=twice.jsonl --set micro_batch_size=3")
        for key in ["loss", "grad_norm"] {
            let (a, b) = (weighted[key]?.doubleValue, twice[key]?.doubleValue)
            let (left, right) = (try #require(a), try #require(b))
            #expect(abs(left - right) < 1e-5 * right, "\(key): \(left), \(right)")
        }
    }
}
