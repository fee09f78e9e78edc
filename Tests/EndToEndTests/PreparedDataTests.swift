import ProgramTestSupport
import Testing

/// `dataset_prepared_path`: tokenised data that a later run finds again.
@Suite struct PreparedDataTests {
    private func losses(_ run: borrowing TinyRun) throws -> String {
        try run.shell("sed -n 's/.*\"loss\":\\([^,]*\\).*/\\1/p' out/metrics.jsonl").output
    }

    @Test func theSecondRunFindsWhatTheFirstKept() throws {
        let run = try TinyRun()
        let plain = try run.train("--ranks 2")
        #expect(plain.exitCode == 0 && !plain.output.contains("tokens:"), "\(plain.output)")
        let expected = try losses(run)
        #expect(!expected.isEmpty)

        let settings = "--set dataset_prepared_path=prepared"
        // Both ranks make the file, and either may be the first.
        let first = try run.train("--ranks 2 \(settings)")
        #expect(first.output.contains("prepared/tokens-"), "\(first.output)")
        #expect(try losses(run) == expected)

        let second = try run.train("--ranks 2 \(settings)")
        #expect(second.output.contains("found in prepared/tokens-"), "\(second.output)")
        #expect(try losses(run) == expected)

        _ = try run.shell("truncate -s -9 prepared/tokens-*")
        let third = try run.train("--ranks 1 \(settings)")
        #expect(third.exitCode == 0)
        #expect(third.output.contains("was damaged"), "\(third.output)")
        let fourth = try run.train("--ranks 2 \(settings)")
        #expect(fourth.output.contains("found in"), "\(fourth.output)")
        #expect(try losses(run) == expected)
        #expect(try run.shell("ls prepared | wc -l").output == "1\n")
    }
}
