import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Several hosts, pretended on this one: shared memory among two ranks each, Gloo between.
@Suite struct HierarchicalTests {
    private let hosts = Probe(worldSize: 4, localSize: 2)

    @Test func everyOperationConforms() throws {
        for outcome in try hosts.run("conform") {
            #expect(outcome.code == 0, "\(outcome.output)")
            #expect(outcome.output.contains("rank \(outcome.rank): ok, shared memory and gloo"))
        }
    }

    @Test func hostsOfThreeRanksConform() throws {
        for outcome in try Probe(worldSize: 6, localSize: 3).run("conform") {
            #expect(outcome.code == 0, "\(outcome.output)")
        }
    }

    @Test func sumsRunOverTheRanksOfAHostThenOverHosts() throws {
        let outcomes = try hosts.run("order")
        #expect(outcomes.map(\.code) == [0, 0, 0, 0], "\(outcomes.map(\.output))")
    }

    /// Two ranks here and one there: such a world talks through Gloo alone.
    @Test func hostsOfDifferentSizeUseGloo() throws {
        for outcome in try Probe(worldSize: 3, localSize: 2).run("conform") {
            #expect(outcome.code == 0, "\(outcome.output)")
            #expect(outcome.output.contains("ok, gloo"))
        }
    }

    @Test func aKilledRankEndsTheRanksOfAllHosts() throws {
        let began = seconds()
        let outcomes = try hosts.run("kill", "3")
        #expect(outcomes[3].code == -SIGKILL)
        for outcome in outcomes.prefix(3) {
            #expect(outcome.code == 1)
            #expect(
                outcome.output.contains(
                    "rank \(outcome.rank) waits in all-reduce #2 of second (4.0 kB float32)"))
            #expect(outcome.output.contains("rank 3 has died"), "\(outcome.output)")
            #expect(outcome.record.contains("all-reduce #2 of second (4.0 kB float32)  failed"))
        }
        #expect(seconds() - began < 60)
    }

    @Test func aFailingRankIsQuotedOnAllHosts() throws {
        for outcome in try hosts.run("fail", "1") where outcome.rank != 1 {
            #expect(outcome.code == 1)
            #expect(outcome.output.contains("out of memory at step 41"), "\(outcome.output)")
        }
    }

    @Test func aSkippedCollectiveIsNamed() throws {
        for outcome in try hosts.run("skip", "2") {
            #expect(outcome.code == 1)
            #expect(
                outcome.output.contains(
                    "ranks 0, 1, 3: all-reduce #2 of second (1000 x float32); "
                        + "rank 2: barrier #2 of third"), "\(outcome.output)")
        }
    }

    @Test func aRankThatComesTooLateIsNamed() throws {
        var hosts = hosts
        hosts.timeoutSeconds = 3
        let outcomes = try hosts.run("late", "2", "7")
        for outcome in outcomes where outcome.rank != 2 {
            #expect(outcome.code == 1)
            #expect(outcome.output.contains("in all-reduce #2 of second"), "\(outcome.output)")
            #expect(outcome.output.contains("rank 2"))
        }
    }

    @Test func aRankThatIsMissingOnAnotherHostIsNamed() throws {
        var hosts = hosts
        hosts.timeoutSeconds = 4
        hosts.ranks = [0, 1, 2]
        for outcome in try hosts.run("conform") {
            #expect(outcome.code == 1)
            #expect(outcome.output.contains("for rank 3 to start"), "\(outcome.output)")
        }
    }
}
