import ApusComm
import ApusTensor
import Testing

@Suite struct NCCLTests {
    private static let isThere = Runtime.ncclUnavailableReason == nil

    @Test(.enabled(if: isThere && Runtime.cudaDeviceCount > 0, "needs a GPU and libnccl.so.2"))
    func collectivesOfDeviceMemory() throws {
        let probe = Probe(worldSize: min(2, Runtime.cudaDeviceCount))
        let outcomes = try probe.run("device")
        #expect(outcomes.allSatisfy { $0.code == 0 }, "\(outcomes.map(\.output))")
    }

    @Test(.enabled(if: isThere && Runtime.cudaDeviceCount == 0, "there is a GPU, or no NCCL"))
    func withoutGPUTheErrorNamesTheDevice() {
        let error = #expect(throws: CommError.self) {
            _ = try WorldEnvironment().makeProcessGroup(
                on: .cuda(0), beside: SingleRankProcessGroup())
        }
        #expect(error?.code == .unsupported)
        #expect(error?.summary.contains("rank 0 has no device cuda:0") == true)
    }

    @Test(.enabled(if: !isThere, "there is an NCCL"))
    func withoutNCCLTheErrorSaysWhatIsMissing() {
        let error = #expect(throws: CommError.self) {
            _ = try WorldEnvironment().makeProcessGroup(
                on: .cuda(0), beside: SingleRankProcessGroup())
        }
        #expect(error?.code == .unsupported)
        #expect(error?.summary.contains("libnccl.so.2") == true)
        #expect(error?.remedy?.contains("LD_LIBRARY_PATH") == true)
    }
}
