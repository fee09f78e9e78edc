import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What only real processes can show.
@Suite struct ProcessTests {
    @Test(arguments: [("auto", 3, "shared memory"), ("gloo", 2, "gloo")])
    func everyOperationConforms(backend: String, worldSize: Int, name: String) throws {
        let outcomes = try Probe(worldSize: worldSize, backend: backend).run("conform")
        for outcome in outcomes {
            #expect(outcome.code == 0, "\(outcome.output)")
            #expect(outcome.output.contains("rank \(outcome.rank): ok, \(name)"))
        }
    }

    @Test func sumsAreTheSameBitsAsGloos() throws {
        let shared = try Probe(worldSize: 2).run("bits")
        let gloo = try Probe(worldSize: 2, backend: "gloo").run("bits")
        #expect(shared.map(\.code) == [0, 0])
        #expect(shared.map(\.output) == gloo.map(\.output))
    }

    @Test(arguments: ["auto", "gloo"])
    func aKilledRankEndsTheOthersByName(backend: String) throws {
        let began = seconds()
        let probe = Probe(worldSize: 3, backend: backend, timeoutSeconds: 600)
        let outcomes = try probe.run("kill", "1")
        #expect(outcomes[1].code == -SIGKILL)
        for outcome in [outcomes[0], outcomes[2]] {
            #expect(outcome.code == 1)
            #expect(outcome.output.contains("waits in all-reduce #2 of second"))
            #expect(outcome.output.contains("rank 1 has died"))
            let words = "the last operations of rank \(outcome.rank) are in "
            #expect(outcome.output.contains(words))
            #expect(outcome.record.contains("all-reduce #1 of first (4.0 kB float32)  took"))
            #expect(outcome.record.contains("all-reduce #2 of second (4.0 kB float32)  failed"))
            #expect(outcome.record.contains("rank 1 has died"))
        }
        #expect(seconds() - began < 60, "the others end within seconds, not after the time-out")
    }

    @Test(arguments: ["auto", "gloo"])
    func aFailingRankIsQuoted(backend: String) throws {
        let outcomes = try Probe(worldSize: 2, backend: backend).run("fail", "0")
        #expect(outcomes[0].output.contains("out of memory at step 41"))
        #expect(outcomes[0].record.contains("it left: out of memory at step 41"))
        #expect(outcomes[0].record.contains("all-reduce #1 of first (4.0 kB float32)  took"))
        #expect(outcomes[1].code == 1)
        #expect(
            outcomes[1].output.contains(
                "rank 0 has left the process after all-reduce #1 of first (4.0 kB float32): "
                    + "out of memory at step 41"))
    }

    @Test(arguments: ["auto", "gloo"])
    func aSkippedCollectiveIsNamed(backend: String) throws {
        for outcome in try Probe(worldSize: 2, backend: backend).run("skip", "1") {
            #expect(outcome.code == 1)
            #expect(
                outcome.output.contains(
                    "rank 0: all-reduce #2 of second (1000 x float32); "
                        + "rank 1: barrier #2 of third"))
            #expect(outcome.record.contains(outcome.rank == 0 ? "of second" : "of third"))
        }
    }

    @Test(arguments: ["auto", "gloo"])
    func sizesThatDifferAreNamed(backend: String) throws {
        for outcome in try Probe(worldSize: 2, backend: backend).run("size", "0") {
            #expect(outcome.code == 1)
            #expect(outcome.output.contains("rank 0: all-reduce #2 of second (999 x float32)"))
            #expect(outcome.output.contains("rank 1: all-reduce #2 of second (1000 x float32)"))
        }
    }

    @Test(arguments: ["auto", "gloo"])
    func aLateRankIsWaitedFor(backend: String) throws {
        let outcomes = try Probe(worldSize: 2, backend: backend).run("late", "1", "1")
        #expect(outcomes.map(\.code) == [0, 0], "\(outcomes.map(\.output))")
        #expect(outcomes.allSatisfy { $0.record.isEmpty })
    }

    @Test(arguments: ["auto", "gloo"])
    func aRankThatComesTooLateIsNamed(backend: String) throws {
        let probe = Probe(worldSize: 2, backend: backend, timeoutSeconds: 3)
        let waiting = try probe.run("late", "1", "6")[0]
        #expect(waiting.code == 1)
        #expect(waiting.output.contains("rank 0 has waited 3 s in all-reduce #2 of second"))
        #expect(waiting.output.contains("rank 1 is outside of the group's operations"))
        #expect(waiting.output.contains("raise APUS_COMM_TIMEOUT"))
    }
}

func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
