import ApusBase
import Testing

@Suite struct VocabularyTests {
    @Test func byteCountsReadWell() {
        #expect(ByteCount(512).binary == "512 B")
        #expect(ByteCount(1536).binary == "1.5 KiB")
        #expect(ByteCount.mebibytes(700).binary == "700 MiB")
        #expect(ByteCount(3_100_000).decimal == "3.1 MB")
        #expect(ByteCount(-2048).binary == "-2.0 KiB")
    }

    @Test func fixedDecimals() {
        #expect(3.14159.fixed(2) == "3.14")
        #expect((-0.001).fixed(2) == "0.00")
        #expect(2.0.fixed(3) == "2.000")
        #expect(9.999.fixed(1) == "10.0")
        #expect(Double.nan.fixed(2) == "nan")
        #expect(1e300.fixed(2) == "1e+300")
    }

    @Test func nearestNames() {
        let names = ["learning_rate", "lr_scheduler", "micro_batch_size"]
        #expect(nearestName(to: "learning_rat", among: names) == "learning_rate")
        #expect(nearestName(to: "lr_schedluer", among: names) == "lr_scheduler")
        #expect(nearestName(to: "zebra", among: names) == nil)
    }

    /// The published first outputs of SplitMix64 for seed 1234567.
    @Test func splitMixGivesTheKnownNumbers() {
        var random = SplitMix64(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
    }

    @Test func errorsSayWhatWhereWhyAndWhatToDo() {
        let error = FileError(
            "a.json", at: .line(3), "a colon is missing", likelyCause: "edited by hand",
            remedy: "add it")
        #expect(
            error.description
                == "a.json:3: a colon is missing\n  likely cause: edited by hand\n  remedy: add it")
    }
}
