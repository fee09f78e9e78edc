import ApusBase
import ApusComm
import ApusTensor
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Ranks that do not do the same: each gets an error that names what the others did.
@Suite struct DisagreementTests {
    private struct Trouble: Error {}

    private func errors(
        _ worldSize: Int, timeoutSeconds: Double = 20,
        _ body: @escaping @Sendable (any ProcessGroup) throws -> Void
    ) -> [CommError?] {
        let options = LoopbackWorld.Options(timeoutSeconds: timeoutSeconds)
        return LoopbackWorld.results(worldSize, options: options, body).map { result in
            if case .failure(let error) = result { error as? CommError } else { nil }
        }
    }

    @Test func differentLabels() {
        let errors = errors(3) { group in
            try group.barrier()
            try group.allReduce(Tensor([Float(1)]), label: group.rank == 1 ? "layer 1" : "layer 0")
        }
        for error in errors {
            #expect(error?.code == .mismatched)
            #expect(
                error?.summary
                    == "the ranks called different operations: "
                    + "ranks 0, 2: all-reduce #2 of layer 0 (1 x float32); "
                    + "rank 1: all-reduce #2 of layer 1 (1 x float32)")
        }
    }

    @Test func differentDtypes() {
        let errors = errors(2) { group in
            try group.allReduce(Tensor.ones([4], dtype: group.rank == 0 ? .float32 : .int32))
        }
        for error in errors {
            #expect(error?.summary.contains("rank 0: all-reduce #1 (4 x float32)") == true)
            #expect(error?.summary.contains("rank 1: all-reduce #1 (4 x int32)") == true)
        }
    }

    @Test func differentRoots() {
        let errors = errors(2) { group in try group.broadcast(Tensor.ones([4]), from: group.rank) }
        #expect(errors.allSatisfy { $0?.code == .mismatched })
    }

    @Test func aMessageOfAnotherSize() {
        let errors = errors(2) { group in
            if group.rank == 0 { try group.send(Tensor.ones([4]), to: 1) }
            if group.rank == 1 { try group.receive(into: Tensor.ones([5]), from: 0) }
        }
        #expect(errors[1]?.code == .mismatched)
        #expect(errors[1]?.culprit == 0)
    }

    @Test func aRankThatThrowsIsQuotedAndNamed() {
        let errors = errors(3) { group in
            try group.barrier(label: "start")
            if group.rank == 2 { throw Trouble() }
            try group.barrier(label: "end")
        }
        for error in [errors[0], errors[1]] {
            #expect(error?.code == .peerLeft)
            #expect(error?.culprit == 2)
            let words = "rank 2 has left the process after barrier #1 of start: Trouble()"
            #expect(error?.summary.contains(words) == true)
        }
    }

    @Test func aRankThatNeverComesIsNamedAfterTheTimeOut() {
        let errors = errors(2, timeoutSeconds: 0.2) { group in
            try group.barrier(label: "start")
            if group.rank == 0 { try group.barrier(label: "end") }
            if group.rank == 1 { usleep(600_000) }
        }
        #expect(errors[0]?.code == .timedOut)
        #expect(errors[0]?.culprit == 1)
        #expect(errors[0]?.summary.contains("rank 1 is outside of the group's operations") == true)
    }

    @Test func aStartedOperationFailsWhenItIsWaitedFor() {
        let errors = errors(2) { group in
            if group.rank == 1 { throw Trouble() }
            let work = try group.startAllReduce(Tensor.ones([4]), label: "gradient")
            try work.wait()
        }
        #expect(errors[0]?.operation?.label == "gradient")
        #expect(errors[0]?.culprit == 1)
    }

    @Test func afterAFailureEveryOperationFails() {
        let errors = errors(2) { group in
            if group.rank == 1 { throw Trouble() }
            #expect(throws: CommError.self) { try group.barrier() }
            try group.allReduce(Tensor.ones([4]))
        }
        #expect(errors[0]?.code == .peerLeft)
    }
}
